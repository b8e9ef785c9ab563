"""Publishing against XADD: one by one and a hundred at a time, blocking and asyncio."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from consumers.bench.sample import BATCH, Artifact, artifacts, fields
from consumers.bench.timing import Pair
from eventstore.async_bus import AsyncEventBus
from eventstore.bus import EventBus
from eventstore.store import AsyncEventStore, EventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import redis
    import redis.asyncio as aredis

    from consumers.bench.server import BenchServer

_STREAM: Final = "bench-baseline"
_SESSION: Final = "publishing"


class Source:
    """Artifacts without end, no two alike."""

    def __init__(self) -> None:
        self._start = itertools.count(step=BATCH)

    def take(self, count: int) -> list[Artifact]:
        """Return new artifacts of one session."""
        found: list[Artifact] = []
        while len(found) < count:
            found += artifacts(BATCH, next(self._start))
        return [({**header, "session_id": _SESSION}, payload) for header, payload in found[:count]]


@contextmanager
def blocking_pairs(server: BenchServer, single: int, batches: int) -> Iterator[list[Pair]]:
    """Open a bus and a client, and yield what to compare with them."""
    source = Source()
    store = EventStore(server.settings("bench-blocking"))
    with EventBus(store) as bus, server.client() as client:
        store.open()

        def publish() -> None:
            for header, payload in source.take(single):
                bus.publish(header, payload)

        def xadd() -> None:
            for item in source.take(single):
                client.xadd(_STREAM, fields(item))

        def publish_many() -> None:
            for _ in range(batches):
                bus.publish_many(source.take(BATCH))

        def pipeline() -> None:
            for _ in range(batches):
                _send(client, source.take(BATCH))

        yield [
            Pair("publish vs XADD", single, publish, xadd),
            Pair(f"publish_many {BATCH} vs pipeline", batches * BATCH, publish_many, pipeline),
        ]


def _send(client: redis.Redis, items: list[Artifact]) -> None:
    commands = client.pipeline(transaction=False)
    for item in items:
        commands.xadd(_STREAM, fields(item))
    commands.execute()


@asynccontextmanager
async def asyncio_pairs(
    server: BenchServer, single: int, batches: int
) -> AsyncIterator[list[Pair]]:
    """Open the asyncio twins, and yield what to compare with them."""
    source = Source()
    store = AsyncEventStore(server.settings("bench-asyncio"))
    async with AsyncEventBus(store) as bus, server.async_client() as client:
        await store.open()

        async def publish() -> None:
            for header, payload in source.take(single):
                await bus.publish(header, payload)

        async def xadd() -> None:
            for item in source.take(single):
                await client.xadd(_STREAM, fields(item))

        async def publish_many() -> None:
            for _ in range(batches):
                await bus.publish_many(source.take(BATCH))

        async def pipeline() -> None:
            for _ in range(batches):
                await _send_async(client, source.take(BATCH))

        yield [
            Pair("asyncio publish vs XADD", single, publish, xadd),
            Pair(
                f"asyncio publish_many {BATCH} vs pipeline", batches * BATCH, publish_many, pipeline
            ),
        ]


async def _send_async(client: aredis.Redis, items: list[Artifact]) -> None:
    commands = client.pipeline(transaction=False)
    for item in items:
        commands.xadd(_STREAM, fields(item))
    await commands.execute()
