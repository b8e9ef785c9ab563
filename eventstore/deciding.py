"""Decisions: read the heads of lanes, decide, append expecting them unchanged; else, once more.

A decision expects every lane that it read, not only those that it writes: otherwise two of them
may each be right by what it read and wrong together. Left out are facts that cannot cease to
hold once they do: that a branch exists, that a step was appended.

A caller who names the event's ref may make a call again whose outcome is unknown: the event of
the first one is then the answer, although the decision would be refused by now.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore.binding import bound, bound_trace
from eventstore.commands import Appended
from eventstore.drafts import draft
from eventstore.errors import ArtifactNotFound, Conflict, RefConflict
from eventstore.flow import Flow, pause
from eventstore.names import check_name
from eventstore.refs import check_ref, generate_ref
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventstore.appending import Appender
    from eventstore.codec import Recorded
    from eventstore.events import Event
    from eventstore.log import Log

DEFAULT_AGENT: Final = "operator"
_NOTHING: Final[Mapping[str, int]] = {}
# Who lost to others this often waits a little, so that of many deciders each comes to its turn.
_PATIENT_AFTER: Final = 3
_LONGEST_PAUSE: Final = 0.05


class Decision(NamedTuple):
    """An event to append, its payload as kept, and what the decision to append it has read."""

    event: Event
    expect: Mapping[str, int]
    start: Mapping[str, int] = _NOTHING
    data: bytes = b""


class Asked(NamedTuple):
    """What a caller wants an event to be: its kind, and the fields that tell it from others."""

    kind: type[Event]
    fields: Mapping[str, Any]

    def is_answered_by(self, event: Event) -> bool:
        """Return whether an event is what was asked for."""
        return isinstance(event, self.kind) and all(
            getattr(event, name) == value for name, value in self.fields.items()
        )


class Deciding:
    """Appends decisions to a log."""

    def __init__(self, log: Log, appender: Appender) -> None:
        self._log = log
        self._appender = appender

    def decide(
        self, ref: str | None, asked: Asked, make: Callable[[str], Flow[Decision]]
    ) -> Flow[Appended]:
        """Append what `make` decides under a ref, as often as it takes; return where it lies.

        `ref` None is a new one. Raises `RefConflict` if the ref is known and its event is not
        what was asked for, and whatever `make` raises.
        """
        if ref is None:
            return (yield from self._append(generate_ref(), make))
        earlier = yield from self._earlier(check_ref(ref), asked)
        if earlier is not None:
            return earlier
        try:
            return (yield from self._append(ref, make))
        except RefConflict:
            # An earlier sending arrived after all, and decided by another state of the lanes.
            known = yield from self._earlier(ref, asked)
            assert known is not None
            return known

    def _append(self, ref: str, make: Callable[[str], Flow[Decision]]) -> Flow[Appended]:
        attempt = 0
        while True:
            decision = yield from make(ref)
            event = decision.event
            try:
                (row,) = yield from self._appender.append(
                    event.session_id,
                    [draft(event, decision.data)],
                    expect=decision.expect,
                    start=decision.start,
                )
            except Conflict:
                attempt += 1
                yield from back_off(attempt)
            else:
                return row

    def _earlier(self, ref: str, asked: Asked) -> Flow[Appended | None]:
        try:
            found: Recorded = yield from self._log.ready(lambda: self._log.find(ref))
        except ArtifactNotFound:
            return None
        if not asked.is_answered_by(found.event):
            raise RefConflict([ref])
        return Appended(ref, found.position, found.seq, found.index)


def back_off(attempt: int) -> Flow[None]:
    """Wait before a decision is made again, the longer the more often it lost to others."""
    if attempt > _PATIENT_AFTER:
        longest = min(_LONGEST_PAUSE, 0.001 * 2.0 ** min(attempt, 10))
        yield from pause(random.uniform(0, longest))


def deciding_agent(agent_id: str | None) -> str:
    """Return who decides: the one named, else the one bound, else "operator"."""
    named = bound().get("agent_id", DEFAULT_AGENT) if agent_id is None else agent_id
    return check_name("agent_id", named)


def stamp() -> dict[str, Any]:
    """Return the fields that the store fills in, as of now; they are no part of the content."""
    trace = bound_trace()
    return {"ts": current_timestamp(), **trace, "defaulted": ("ts", *trace)}
