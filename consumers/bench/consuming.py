"""Each projection, applied by an ordered loop, against a bare XREADGROUP and XACK loop."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from consumers.applying.projecting import Projecting
from consumers.bench.sample import BATCH, artifacts
from consumers.bench.timing import Pair
from consumers.monitoring.health import SlotStatus
from consumers.ordered import MAX_BATCH, OrderedLoop
from eventstore.bus import EventBus
from eventstore.consuming.access import StoreAccess
from eventstore.consuming.lease import Lease
from eventstore.consuming.membership import Slot
from eventstore.store import EventStore
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import redis

    from consumers.applying.payload_group import PayloadHandler
    from consumers.bench.server import BenchServer
    from eventstore.codec import Recorded
    from eventstore.keys import Keys
    from projections.base import Projection, Write

_NAMESPACE: Final = "bench-consuming"
_GROUP: Final = "bench-bare"
_PAGE: Final = 1000


class UpTo:
    """A group's work that ends its loop at a position."""

    parks = False

    def __init__(self, handler: Projecting | PayloadHandler, last: int) -> None:
        self.name = handler.name
        self.loop: OrderedLoop | None = None
        self._handler = handler
        self._last = last

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        """Return the group's writes; with the last events, end the loop behind them."""
        if events[-1].position >= self._last and self.loop is not None:
            self.loop.stop()
        return await self._handler.writes(events, generation, keys)


@asynccontextmanager
async def projection_pairs(server: BenchServer, events: int) -> AsyncIterator[list[Pair]]:
    """Append events, and yield what to compare over them: a pair a projection."""
    settings = server.settings(_NAMESPACE)
    with EventBus(EventStore(settings)) as bus:
        items = list(artifacts(events))
        for start in range(0, events, BATCH):
            bus.publish_many(items[start : start + BATCH])
    access = StoreAccess(settings, groups=len(PROJECTIONS))
    try:
        with server.client() as client:
            yield [_pair(access, client, projection, events) for projection in PROJECTIONS]
    finally:
        await access.close()


def _pair(access: StoreAccess, client: redis.Redis, projection: Projection, events: int) -> Pair:
    (keys,) = access.partitions

    def forget() -> None:
        _forget(client, keys, projection.name)

    async def ours() -> None:
        await consume(access, keys, UpTo(Projecting(access, projection), events))

    def bare() -> None:
        _read_group(client, keys.stream, events)

    return Pair(f"{projection.name} vs XREADGROUP + XACK", events, ours, bare, forget)


def _forget(client: redis.Redis, keys: Keys, group: str) -> None:
    """Remove what was consumed: read models, checkpoint, progress and the bare loop's group."""
    for key in client.scan_iter(match=f"{keys.projection().prefix}*", count=_PAGE):
        client.unlink(key)
    client.hdel(keys.checkpoints, group)
    client.unlink(keys.progress(group))
    for name in (group, _GROUP):
        client.xgroup_destroy(keys.stream, name)
    client.xgroup_create(keys.stream, _GROUP, id="0")


async def consume(access: StoreAccess, keys: Keys, handler: UpTo) -> None:
    """Consume a partition as a worker does, up to the last position that the handler is for."""
    lease = Lease(access, keys.lease(handler.name), access.settings.store.lease_seconds)
    await lease.acquire(time.monotonic())
    status = SlotStatus(Slot(handler.name, keys.partition))
    handler.loop = OrderedLoop(access, keys, handler, lease.token, status)
    await handler.loop.run()
    await lease.release()


def _read_group(client: redis.Redis, stream: str, events: int) -> None:
    seen = 0
    while seen < events:
        reply: Any = client.xreadgroup(_GROUP, "bench", {stream: ">"}, count=MAX_BATCH)
        ((_, found),) = reply
        client.xack(stream, _GROUP, *(entry_id for entry_id, _ in found))
        seen += len(found)
