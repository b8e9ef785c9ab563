"""What the handler forms of a subscription share: tries, pauses, and giving an event up."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from eventstore.consuming.backoff import pause_after
from eventstore.known_secrets import redactor_for
from eventstore.parking.blame import describe
from eventstore.parking.record import parked

if TYPE_CHECKING:
    from eventstore.parking.record import Parked
    from eventstore.settings import AppSettings
    from eventstore.subscribing.delivered import Delivered

_log = logging.getLogger(__name__)


class Tries:
    """Counts how often one event was tried, and how often in a row something was away."""

    def __init__(self, settings: AppSettings, group: str) -> None:
        self._settings = settings
        self._group = group
        self._failed = self._away = 0

    def failed(self, event: Delivered, error: Exception) -> Parked | None:
        """Note that an event failed by its own fault; return what is kept of it once given up."""
        self._failed += 1
        self._away = 0
        if self._failed < self._settings.consuming.attempts:
            return None
        item = parked(event.recorded, describe(error, redactor_for(self._settings)), self._failed)
        _log.error(
            "%s/%d: position %d is parked after %d tries (%s); `eventstore parked show %s %s` "
            "shows more",
            *(self._group, event.partition, item.position, item.attempts, item.error),
            *(self._group, item.ref),
        )
        return item

    def away(self, error: BaseException) -> None:
        """Note that an event could not be tried, since something was away."""
        self._away += 1
        if self._away == 1:
            _log.warning("%s waits: %s: %s", self._group, type(error).__name__, error)

    def handled(self) -> None:
        """Note that an event is done with."""
        self._failed = self._away = 0

    @property
    def pause(self) -> float:
        """Seconds to wait before the next try."""
        consuming = self._settings.consuming
        return pause_after(
            self._away or self._failed,
            first=consuming.first_retry_seconds,
            longest=consuming.longest_retry_seconds,
        )
