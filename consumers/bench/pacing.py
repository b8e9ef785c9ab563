"""Appending no faster than a worker consumes: what is measured is then not a growing backlog."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from consumers.working.groups import known_groups
from eventstore.retention import Rule, look

if TYPE_CHECKING:
    from eventstore.bus import EventBus
    from eventstore.retention import Standing

_PAUSE: Final = 0.02


class Pace:
    """Keeps a producer at most `ahead` events in front of the slowest group of one partition.

    `most_kept` is the largest number of events that a look found in the server.
    """

    def __init__(self, bus: EventBus, ahead: int, rule: Rule | None = None) -> None:
        self.most_kept = 0
        self._bus = bus
        self._ahead = ahead
        self._rule = rule or Rule(1, 0, active=False)
        self._passed = 0

    def wait(self, appended: int) -> None:
        """Return once all groups are close enough to the last of so many events."""
        while appended - self._passed > self._ahead:
            self._passed = self.look().passed
            if appended - self._passed > self._ahead:
                time.sleep(_PAUSE)

    def look(self) -> Standing:
        """Return where the partition stands."""
        (keys,) = self._bus.store.parts.log.partitions
        standing = self._bus.store.reading(lambda: look(keys, self._rule, tuple(known_groups())))
        self.most_kept = max(self.most_kept, standing.head - standing.first + 1)
        return standing
