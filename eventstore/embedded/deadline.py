"""A bound on how long an operation may wait in all."""

from __future__ import annotations

import time

_PAUSE = 0.01


class Deadline:
    """A moment `seconds` from now, on a clock that is never set."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining == 0.0

    def pause(self) -> None:
        """Sleep for a moment between two looks at something that has no way to call us."""
        time.sleep(min(_PAUSE, self.remaining))
