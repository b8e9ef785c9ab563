"""What this process measures of its own appends, without a metrics library.

Whoever serves metrics reads it: the worker's /metrics shows the worker's own appends, an
application may show its own (`append_seconds.read()`).
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Distribution:
    """Observations so far: how many were at most each bound, how many in all, their sum."""

    bounds: tuple[float, ...]
    at_most: tuple[int, ...]
    count: int
    sum: float


class Histogram:
    """Counts observations by size. Safe to share between threads."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        """Count one observation."""
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value

    def read(self) -> Distribution:
        """Return what was observed so far."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        for index in range(1, len(counts)):
            counts[index] += counts[index - 1]
        return Distribution(self._bounds, tuple(counts[:-1]), counts[-1], total)


append_seconds: Final = Histogram(
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
)
"""Seconds that acknowledged appends of this process took, retries included; one a batch."""
