"""What a payload store is asked at the moment, and since when: by this a stall is seen at once."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Waiting(NamedTuple):
    """A call that has not come back: what it does, and for how many seconds."""

    doing: str
    seconds: float


class Activity:
    """The calls under way of one payload store, in this process. Thread-safe."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        # Adding, removing and copying are atomic; a forked child is not waiting for its parent's.
        self._calls: dict[tuple[int, int], tuple[str, float]] = {}

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Count the block as a call under way."""
        number = (os.getpid(), next(self._numbers))
        self._calls[number] = (what, time.monotonic())
        try:
            yield
        finally:
            del self._calls[number]

    def slowest(self) -> Waiting | None:
        """Return the call that has been under way longest, None if there is none."""
        own, now = os.getpid(), time.monotonic()
        calls = [call for (pid, _), call in self._calls.copy().items() if pid == own]
        if not calls:
            return None
        what, started = min(calls, key=lambda call: call[1])
        return Waiting(what, now - started)
