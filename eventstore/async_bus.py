"""The artifact bus for asyncio callers: the twin of `eventstore.bus`.

anyio here means asyncio: the client library's async side imports nothing else.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import TYPE_CHECKING, Any

from eventstore.amending import UNCHANGED
from eventstore.async_bus_branches import AsyncBusBranches
from eventstore.binding import bind
from eventstore.connection import plain_async_client
from eventstore.effect_log import effects_of
from eventstore.health_checks import Health, check_health
from eventstore.judging import Judging
from eventstore.operations import Operations, filters
from eventstore.redact_hook import process_hook
from eventstore.settings import settings
from eventstore.store import AsyncEventStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    import redis.asyncio

    from eventstore.commands import Appended
    from eventstore.competing.async_work import AsyncCompeting
    from eventstore.effect_log import EffectRow
    from eventstore.headers import ArtifactHeader
    from eventstore.operations import Row
    from eventstore.redact_hook import Redact
    from eventstore.searching import Order
    from eventstore.subscribing.async_subscription import AsyncSubscription
    from eventstore.subscribing.wanted import Start


class AsyncEventBus(AsyncBusBranches):
    """Publishes artifacts and finds them again, for one event loop.

    The methods are those of `eventstore.bus.EventBus`, awaited; what they promise is said there.
    """

    def __init__(self, store: AsyncEventStore, *, redact: Redact | None = None) -> None:
        self.redact = redact
        parts = store.parts
        self._operations = Operations(parts.log, parts.appender, parts.payloads, redact)
        super().__init__(store, self._operations)
        self._judging = Judging(self._operations)
        self._redis = plain_async_client(store.parts.location.target)
        self.closed = False

    @property
    def redis(self) -> redis.asyncio.Redis:
        """An ordinary pooled client of the store's server, for the application's own commands.

        Unlike its twin it cannot open the store: `await bus.store.open()` first, or call any
        method of the bus, if the server may be an embedded one that is not up.
        """
        return self._redis

    def bind(self, **fields: Any) -> AbstractContextManager[None]:
        """Fill header fields of what is published in a block; see `eventstore.binding.bind`."""
        return bind(**fields)

    async def publish(
        self, header: ArtifactHeader | Mapping[str, Any], payload: object
    ) -> Appended:
        """Append one artifact and return where it lies; the header is not changed."""
        return await self.store.runner.run(self._operations.publish(header, payload))

    async def publish_many(
        self, items: Iterable[tuple[ArtifactHeader | Mapping[str, Any], object]]
    ) -> list[Appended]:
        """Append (header, payload) pairs in order; all are checked before the first is written."""
        return await self.store.runner.run(self._operations.publish_many(items))

    async def get(self, ref: str, *, original: bool = False) -> Row:
        """Return the artifact with this ref as (header, payload), amended if it was."""
        return await self.store.reading(lambda: self._operations.get(ref, original=original))

    async def amend(
        self,
        ref: str,
        header: Mapping[str, Any] | None = None,
        payload: object = UNCHANGED,
        *,
        agent_id: str | None = None,
        reason: str | None = None,
        amendment_ref: str | None = None,
    ) -> Appended:
        """Correct an artifact, and return where the event lies that does."""
        flow = self._operations.amending.amend(
            ref, header, payload, agent_id, reason, amendment_ref
        )
        return await self.store.runner.run(flow)

    async def search(
        self,
        session_id: str,
        *,
        tag: str | None = None,
        type: str | None = None,
        agent: str | None = None,
        branch: str | None = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        limit: int = 50,
        order: Order = "desc",
    ) -> list[Row]:
        """Return the artifacts of a session that pass every filter, newest first."""
        passing = filters(tag=tag, type=type, agent=agent, branch=branch, since=since, until=until)
        return await self.store.reading(
            lambda: self._operations.search(session_id, passing, order, limit)
        )

    async def read_first_n(
        self,
        session_id: str,
        n: int,
        *,
        tag: str | None = None,
        type: str | None = None,
        agent: str | None = None,
        branch: str | None = None,
    ) -> list[Row]:
        """Return the first `n` artifacts that pass every filter, oldest first."""
        passing = filters(tag=tag, type=type, agent=agent, branch=branch)
        return await self.store.reading(
            lambda: self._operations.read_n(session_id, passing, n, last=False)
        )

    async def read_last_n(
        self,
        session_id: str,
        n: int,
        *,
        tag: str | None = None,
        type: str | None = None,
        agent: str | None = None,
        branch: str | None = None,
    ) -> list[Row]:
        """Return the last `n` artifacts that pass every filter, oldest first."""
        passing = filters(tag=tag, type=type, agent=agent, branch=branch)
        return await self.store.reading(
            lambda: self._operations.read_n(session_id, passing, n, last=True)
        )

    async def create_evaluation_for(
        self,
        ref: str,
        *,
        evaluator_id: str,
        payload: object = None,
        evaluator_version: str | None = None,
        request_ref: str | None = None,
    ) -> Appended:
        """Ask for an artifact to be judged, and return where the request lies."""
        flow = self._judging.request(ref, evaluator_id, payload, evaluator_version, request_ref)
        return await self.store.runner.run(flow)

    async def evaluations_for(self, ref: str) -> list[dict[str, Any]]:
        """Return the evaluations of an artifact, oldest first; status "requested" included."""
        return await self.store.reading(lambda: self._judging.of_target(ref))

    async def effects(
        self,
        session_id: str,
        *,
        branch: str | None = None,
        agent: str | None = None,
        limit: int = 1000,
    ) -> list[EffectRow]:
        """Return the last `limit` tool calls of a session, oldest first, and what came of each."""
        log = self.store.parts.log
        return await self.store.reading(lambda: effects_of(log, session_id, branch, agent, limit))

    def subscribe(
        self,
        *,
        group: str,
        start: Start = "begin",
        kinds: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        payloads: bool = True,
    ) -> AsyncSubscription:
        """Return the events of the log, in order and durably, for a consumer group."""
        return self.store.subscribe(
            group=group, start=start, kinds=kinds, types=types, payloads=payloads
        )

    def compete(
        self,
        *,
        group: str,
        start: Start = "begin",
        kinds: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        payloads: bool = True,
        in_flight: int = 1,
    ) -> AsyncCompeting:
        """Return events as pieces of work that processes with the same group share."""
        return self.store.compete(
            group=group,
            start=start,
            kinds=kinds,
            types=types,
            payloads=payloads,
            in_flight=in_flight,
        )

    async def degraded(self, session_id: str) -> dict[str, int]:
        """Return how many events of a session each group left out; {} is well."""
        return await self.store.reading(lambda: self._operations.degraded(session_id))

    async def health(self) -> Health:
        """Return what is well and what is not: server, store, consumers, payload store."""
        parts = self.store.parts
        return await self.store.runner.run(check_health(parts.log, parts.payloads, parts.settings))

    async def close(self) -> None:
        """Close the connections and leave the embedded store, if it is one."""
        await self._redis.connection_pool.disconnect()
        self.closed = True
        await self.store.close()

    async def __aenter__(self) -> AsyncEventBus:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


_buses: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncEventBus] = (
    weakref.WeakKeyDictionary()
)


def get_async_bus(*, redact: Redact | None = None) -> AsyncEventBus:
    """Return the bus of the running event loop, built from `settings()` at its first call.

    Close it before the loop ends: `await bus.close()`, after which the next call builds another.
    `redact` is that of the process, as for `get_bus`. Raises `RuntimeError` outside of a
    running loop, and `InvalidInput` if there is a bus without the hook.
    """
    process_hook.offer(redact)
    loop = asyncio.get_running_loop()
    bus = _buses.get(loop)
    if bus is None or bus.closed:
        store = AsyncEventStore(settings())
        bus = _buses[loop] = AsyncEventBus(store, redact=process_hook.take())
    return bus


os.register_at_fork(after_in_child=_buses.clear)
