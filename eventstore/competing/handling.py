"""What the handler forms share: pauses while something that handlers need is away."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from eventstore.consuming.backoff import pause_after

if TYPE_CHECKING:
    from eventstore.settings import AppSettings

_log = logging.getLogger(__name__)


class Deferrals:
    """Counts, in a row, the pieces that could not be tried because something was away.

    Used from several threads at a time, so that a warning may be doubled.
    """

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings.consuming
        self._count = 0
        self._has_told = False

    def pause(self, error: BaseException) -> float:
        """Return the seconds after which a piece is worth another look; says so the first time."""
        self._count += 1
        if self._count == 1:
            _log.warning(
                "work is given back until this is mended: %s: %s", type(error).__name__, error
            )
        return pause_after(
            self._count,
            first=self._settings.first_retry_seconds,
            longest=self._settings.longest_retry_seconds,
        )

    def none(self) -> None:
        """Note that a piece was tried."""
        self._count = 0
        self._has_told = False

    def unsettled(self, error: BaseException) -> None:
        """Note that nobody can be told what became of a piece; says so the first time."""
        if not self._has_told:
            self._has_told = True
            _log.warning(
                "what became of work is told once this is mended: %s: %s",
                *(type(error).__name__, error),
            )
