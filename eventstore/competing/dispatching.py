"""Dispatch: from the log to a group's work, from the stream or from what was trimmed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.competing import calls
from eventstore.consuming.history import continues
from eventstore.errors import Diverged
from eventstore.flow import Flow, call
from eventstore.kinds import KINDS
from eventstore.views import parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.competing.calls import Dispatched, Passed
    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.subscribing.wanted import Wanted


def dispatch_next(log: Log, keys: Keys, wanted: Wanted) -> Flow[Dispatched]:
    """Put what comes next on a group's work, as much as one script may.

    Any process of the group may do it at any time: the script goes on where the last one ended.
    Raises what `calls.dispatch` and reading the journal raise.
    """
    found = yield from call(calls.dispatch(keys, wanted))
    if not found.trimmed:
        return found
    behind = parse_checkpoint(found.trimmed.encode())
    limit = calls.DISPATCH_LIMIT
    events = yield from log.reader.events(keys, behind.position + 1, None, limit)
    if events and not continues(behind, events):
        raise Diverged(
            f"partition {keys.partition}: group {wanted.group!r} has taken the log up to "
            f"{behind.position}, and the journal goes on with another history; restore the log, or "
            "delete the group and begin anew",
            partition=keys.partition,
            at=behind.position,
        )
    return (yield from call(calls.dispatch(keys, wanted, found.trimmed, _passed(events))))


def _passed(events: Sequence[Recorded]) -> list[Passed]:
    return [
        calls.Passed(
            item.position,
            item.event.kind,
            getattr(item.event, "type", ""),
            KINDS[item.event.kind].VERSION if item.event.kind in KINDS else 0,
            item.chain,
        )
        for item in events
    ]
