"""Which event of a group keeps failing, and how often it was tried. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.consuming.backoff import pause_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.settings_models import ConsumingSettings


class Trial:
    """Finds the event that a batch failed at, and counts its tries.

    After a batch failed, its events are taken one at a time; the one that fails alone is the
    one. Tries are counted in this process: a new owner of the lease begins again.
    """

    def __init__(self, settings: ConsumingSettings) -> None:
        self._settings = settings
        self._position = 0
        self._one_by_one_to = 0
        self.tries = 0

    def limit(self, after: int, most: int) -> int:
        """Return how many events to take after a position, of `most`."""
        return 1 if after < self._one_by_one_to else most

    def failed(self, events: Sequence[Recorded]) -> bool:
        """Note that events failed by their own fault; return whether to give up the one there is.

        A batch is never given up.
        """
        if len(events) > 1:
            self._one_by_one_to = events[-1].position
            return False
        position = events[0].position
        self.tries = self.tries + 1 if position == self._position else 1
        self._position = position
        return self.tries >= self._settings.attempts

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many faults in a row, by whoever's fault."""
        if not self.tries:
            return pause_after(failures)
        return pause_after(
            self.tries,
            first=self._settings.first_retry_seconds,
            longest=self._settings.longest_retry_seconds,
        )

    def passed(self) -> None:
        """Note that the group got on."""
        self._position = self.tries = 0
