"""Sessions that a group left events of out: how many, for readers to say so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from eventstore.flow import Call

if TYPE_CHECKING:
    from eventstore.keys import Keys, ParkedKeys

_TOLD: Final = 10_000
_log = logging.getLogger(__name__)


def missing_in_session(names: ParkedKeys, session_id: str) -> Call[int]:
    """Return how many events of a session the group left out."""
    return Call("ZLEXCOUNT", (names.sessions,), names.of_session(session_id), int)


class Notes:
    """Says once a process, as a warning in the log, what a read model lacks of a session."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, str, str], int] = {}

    def say(self, keys: Keys, group: str, session_id: str, count: int) -> None:
        """Note that a group left `count` events of a session out, 0 for none."""
        place = (keys.partition, group, session_id)
        if self._told.get(place, 0) == count:
            return
        if len(self._told) >= _TOLD:
            self._told.clear()
        self._told[place] = count
        if count:
            _log.warning(
                "session %r: the read model %r lacks %d of its events, which could not be folded; "
                "`eventstore parked list %s` says why, `eventstore projection rebuild %s` takes "
                "them in",
                *(session_id, group, count, group, group),
            )
