"""Taking a projection past a partition's events without a worker: read, fold, apply, repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.consuming.apply import apply_call
from eventstore.flow import Call, as_is, batch, call
from eventstore.views import Checkpoint, checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventstore.flow import Flow
    from eventstore.keys import Keys
    from eventstore.store import EventStore
    from projections.base import Projection, Read, State

TOKEN = "test"


def apply_all(store: EventStore, projections: Iterable[Projection], batch_size: int = 500) -> None:
    """Take projections past every event of every partition."""
    for projection in projections:
        for partition in range(len(store.parts.log.partitions)):
            while apply_batch(store, partition, projection, batch_size):
                pass


def apply_batch(store: EventStore, partition: int, projection: Projection, size: int = 500) -> int:
    """Take a projection past the next events of a partition; return how many there were."""
    keys = store.parts.log.partitions[partition]
    before = store.reading(lambda: call(checkpoint(keys, projection.name)))
    events = store.read_all(partition, after=before.position, limit=size)
    if not events:
        return 0
    own = keys.projection(before.generation)
    state = store.reading(lambda: _read(list(projection.needs(events, own))))
    writes = projection.fold(events, state, own)
    after = Checkpoint(before.generation, events[-1].position, events[-1].chain)
    store.reading(lambda: _take_lease(keys, projection.name))
    step = apply_call(keys, projection.name, TOKEN, before, after, writes)
    applied = store.reading(lambda: call(step))
    assert applied.outcome == "ok", applied
    return len(events)


def _read(reads: list[Read]) -> Flow[State]:
    replies = yield from batch(
        [Call(read.command, (read.key,), read.args, as_is) for read in reads]
    )
    return dict(zip(reads, replies, strict=True))


def _take_lease(keys: Keys, group: str) -> Flow[object]:
    return call(Call("SET", (keys.lease(group),), (f"{TOKEN}:0",), as_is))
