"""The log as a checkpoint knows it: whether it is still the same one, and what comes next.

Everything that goes through the log from a checkpoint, whatever part of it, reads it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore import commands
from eventstore.chain import link
from eventstore.codec import decode_entry
from eventstore.errors import Diverged, UndecodableEvent
from eventstore.flow import Call, Flow, batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.codec import Recorded
    from eventstore.journal_format import Entry
    from eventstore.keys import Keys
    from eventstore.log_reader import LogReader
    from eventstore.views import Checkpoint


def is_borne_out(keys: Keys, at: Checkpoint) -> Flow[bool]:
    """Return whether the log may hold the history that a checkpoint was made from.

    It does not if it ends before the checkpoint or has another chain there. An entry that was
    trimmed away contradicts nothing.
    """
    if not at.position:
        return True
    entry = commands.events(keys, at.position, at.position, 1)
    calls: list[Call[Any]] = [commands.head(keys), entry]
    head, found = yield from batch(calls)
    if found:
        return bool(found[0].chain == at.chain)
    return head is not None and head.position >= at.position


def continues(at: Checkpoint, events: Sequence[Recorded]) -> bool:
    """Return whether the first of some events is what the checkpoint's history goes on with."""
    first = events[0]
    return (
        first.position == at.position + 1
        and link(at.chain, first.event.ref, first.digest) == first.chain
    )


def upcoming(
    reader: LogReader,
    keys: Keys,
    at: Checkpoint,
    limit: int,
    wait_ms: int,
    decode: Callable[[int, Entry], Recorded] = decode_entry,
) -> Flow[list[Recorded]]:
    """Return the events after a checkpoint, waiting up to `wait_ms` for the first.

    At most `limit`, and none from the first on that cannot be read; if it is the very next,
    `UndecodableEvent` is raised. Raises `Diverged` if they are of another history, and what
    `LogReader` raises of what was trimmed.
    """
    events = yield from _readable(reader, keys, at.position, limit, wait_ms, decode)
    if events and not continues(at, events):
        raise Diverged(
            f"partition {keys.partition}: the log does not go on from {at}, it is of another "
            "history; `eventstore log verify` shows how far it is whole"
        )
    return events


def _readable(
    reader: LogReader,
    keys: Keys,
    position: int,
    limit: int,
    wait_ms: int,
    decode: Callable[[int, Entry], Recorded],
) -> Flow[list[Recorded]]:
    while True:
        try:
            return (yield from reader.upcoming(keys, position, limit, wait_ms, decode))
        except UndecodableEvent:
            if limit == 1:
                raise
            # What comes before the event that cannot be read is consumed, up to that very event.
            limit //= 2


def replay(
    reader: LogReader, keys: Keys, at: Checkpoint, last: int, limit: int
) -> Flow[list[Recorded]]:
    """Return the next events after a checkpoint, up to a position that the log has passed.

    At least one, at most `limit`. Raises `Diverged` if they are gone or of another history.
    """
    page = yield from reader.events(keys, at.position + 1, last, limit)
    if not page or not continues(at, page):
        raise Diverged(
            f"partition {keys.partition}: the log does not go on from {at} to {last}, it is of "
            "another history or cut off; `eventstore log verify` shows how far it is whole"
        )
    return page
