"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random
from typing import Final

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0


def pause_after(
    failures: int, *, first: float = _FIRST_PAUSE, longest: float = _LONGEST_PAUSE
) -> float:
    """Return the seconds to wait after so many faults in a row: doubling, jittered, bounded."""
    most = min(longest, first * 2.0 ** min(failures - 1, 20))
    return random.uniform(most / 2, most)
