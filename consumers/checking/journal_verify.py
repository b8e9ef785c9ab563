"""`journal status` and `journal verify`: how far the journal is, and whether it is the log.

The journal is walked as `log verify` walks the stream, then held against the stream at the last
position that both have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from consumers.checking.log_verify import Walk
from eventstore import commands
from eventstore.errors import Diverged
from eventstore.flow import call
from eventstore.journal import Journal

if TYPE_CHECKING:
    from eventstore.keys import Keys
    from eventstore.store import EventStore


class JournalStatus(msgspec.Struct, frozen=True):
    """A partition's journal: its files, their bytes as kept, its end, and the log's head.

    `behind` is how many events the log has beyond the journal; below 0, the journal beyond it.
    """

    partition: int
    segments: int
    bytes: int
    position: int
    chain: str
    head: int
    behind: int


class JournalVerified(msgspec.Struct, frozen=True):
    """A whole journal: its end, and how many events the log has beyond it."""

    partition: int
    position: int
    chain: str
    behind: int


def journal_of(store: EventStore) -> Journal:
    """Return the journal of a store, which is opened for its uuid."""
    return Journal(store.parts.payloads, store.open().uuid)


def journal_status(store: EventStore) -> list[JournalStatus]:
    """Return how far the journal of every partition is. Raises `Diverged`, as `Journal.end`."""
    journal = journal_of(store)
    extents = [journal.extent(keys.partition) for keys in store.parts.log.partitions]
    # After the journal: what it holds was in the log before.
    heads = {head.partition: head.position for head in store.head()}
    return [
        JournalStatus(
            partition=partition,
            segments=extent.segments,
            bytes=extent.bytes,
            position=extent.end.position,
            chain=extent.end.chain,
            head=heads[partition],
            behind=heads[partition] - extent.end.position,
        )
        for partition, extent in enumerate(extents)
    ]


def verify_journal(store: EventStore, partition: int) -> JournalVerified:
    """Read a partition's journal from its first event, and compare it with the log.

    Raises `JournalDamaged`, `ChainBroken`, `UndecodableEvent` for what is not whole, `Diverged`
    if it or the log holds another history, or if it holds events that the log has lost.
    """
    journal = journal_of(store)
    walk = Walk(partition)
    for entry in journal.entries(partition):
        walk.step(entry)
    keys = store.parts.log.partitions[partition]
    head = store.reading(lambda: call(commands.head(keys)))
    last = 0 if head is None else head.position
    both = min(walk.position, last)
    if both:
        here = walk.chain if both == walk.position else journal.chain_at(partition, both)
        _check_same(store, keys, both, here)
    if walk.position > last:
        raise Diverged(
            f"partition {partition}: the log ends at {last}, the journal holds the events up to "
            f"{walk.position} as well; the server lost them. `eventstore repair` says what to do"
        )
    return JournalVerified(partition, walk.position, walk.chain, last - walk.position)


def _check_same(store: EventStore, keys: Keys, position: int, chain: str | None) -> None:
    found = store.reading(lambda: call(commands.events(keys, position, position, 1)))
    if found and found[0].chain != chain:
        raise Diverged(
            f"partition {keys.partition}: at position {position} the journal has the chain "
            f"{chain}, the log {found[0].chain}; they are two histories. `eventstore repair` "
            "shows both, and keeps the one that you choose"
        )
