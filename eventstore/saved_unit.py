"""Whether a unit of work was saved before: by a save whose reply was lost, or by somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.commands import Appended
from eventstore.errors import RefConflict
from eventstore.events import ArtifactPublished, TickAcked
from eventstore.intents import Ack, Checkout, Pop, Push, agent_of
from eventstore.known_refs import known_positions
from eventstore.state_errors import AlreadyActed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventstore.codec import Recorded
    from eventstore.events import Event
    from eventstore.flow import Flow
    from eventstore.intents import Intent
    from eventstore.log import Log


def rows_of_saved(
    log: Log, session_id: str, intents: Sequence[Intent]
) -> Flow[list[Appended] | None]:
    """Return where the events of a unit lie that was saved before, None if it was not. A flow.

    Judged by the intents that always come to an event. A batch is all or nothing, so part of a
    unit is only there if another one shares it: raises what `check_shares_nothing` does.
    """
    certain = _certain(intents)
    events = yield from _known(log, session_id, certain)
    ours = [each for each in events if _is_of(certain[each.event.ref], each.event)]
    if not ours:
        return None
    if len(ours) < len(certain):
        yield from check_shares_nothing(log, session_id, intents)
    return [Appended(each.event.ref, each.position, each.seq, each.index) for each in ours]


def rows_of_repeated(
    log: Log, session_id: str, intents: Sequence[Intent]
) -> Flow[list[Appended] | None]:
    """Return where a unit lies that is refused for its refs, because it is there whole. A flow.

    Its links may have been decided otherwise then. Only of a unit whose every intent comes to an
    event can that be seen: raises what `check_shares_nothing` does for all others.
    """
    if len(_certain(intents)) == len(intents):
        rows = yield from rows_of_saved(log, session_id, intents)
        if rows is not None:
            return rows
    yield from check_shares_nothing(log, session_id, intents)
    return None


def check_shares_nothing(log: Log, session_id: str, intents: Sequence[Intent]) -> Flow[None]:
    """Refuse a unit that was not saved, and of which events are there. A flow.

    Raises `AlreadyActed` for an acknowledgement of another unit, `RefConflict` for refs of the
    caller's that are known already.
    """
    certain = _certain(intents)
    known = [each.event.ref for each in (yield from _known(log, session_id, certain))]
    for ref in known:
        intent = certain[ref]
        if isinstance(intent, Ack):
            raise AlreadyActed(session_id, agent_of(intent), intent.tick)
    if known:
        raise RefConflict(known)


def _certain(intents: Sequence[Intent]) -> dict[str, Intent]:
    """Return the intents that always come to an event, by its ref."""
    return {ref: intent for intent in intents if (ref := _ref_of(intent)) is not None}


def _known(log: Log, session_id: str, refs: Iterable[str]) -> Flow[list[Recorded]]:
    """Return those of events that are in the log."""
    keys = log.keys_of(session_id)
    known = yield from log.ready(lambda: known_positions(log, keys, list(refs)))
    if not known:
        return []
    return (yield from log.ready(lambda: log.at_positions(keys, list(known.values()))))


def _ref_of(intent: Intent) -> str | None:
    if isinstance(intent, Push):
        return intent.event.ref
    if isinstance(intent, Pop | Checkout | Ack):
        ref: str = intent.common["ref"]
        return ref
    return None


def _is_of(intent: Intent, event: Event) -> bool:
    """Return whether an event is what an intent comes to; links are decided only at the save."""
    if isinstance(intent, Push):
        if not isinstance(event, ArtifactPublished):
            return False
        ours = intent.event
        sums = [each.payload and each.payload.sha256 for each in (ours, event)]
        return (
            (ours.session_id, ours.agent_id, ours.branch_id, ours.type)
            == (event.session_id, event.agent_id, event.branch_id, event.type)
        ) and sums[0] == sums[1]
    if isinstance(intent, Ack):
        # Its ref is that of everybody's ack of the agent and tick; when it was asked for is not.
        return (
            isinstance(event, TickAcked)
            and event.finished == intent.finished
            and event.ts == intent.common["ts"]
        )
    return True
