"""The asyncio bus for a Redis client of the application's own: the twin of `client_bus`."""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

from eventstore.async_bus import AsyncEventBus, get_async_bus
from eventstore.client_bus import address_of, redis_settings_of
from eventstore.connection import target_of
from eventstore.redact_hook import process_hook
from eventstore.settings import settings
from eventstore.store import AsyncEventStore

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    AsyncClient: TypeAlias = AsyncEventBus | redis.asyncio.Redis | redis.Redis | None

_buses: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[tuple[Any, ...], AsyncEventBus]
] = weakref.WeakKeyDictionary()
os.register_at_fork(after_in_child=_buses.clear)


def async_bus_for(client: AsyncClient) -> AsyncEventBus:
    """Return the running loop's bus of the store on the server that a client speaks to.

    Close it before the loop ends, as that of `get_async_bus`. Raises `InvalidInput` for a client
    whose address cannot be told, and `RuntimeError` outside of a running loop.
    """
    if isinstance(client, AsyncEventBus):
        return client
    if client is None:
        return get_async_bus()
    section = redis_settings_of(client)
    address = address_of(target_of(section))
    configured = get_async_bus()
    if address == address_of(configured.store.parts.location.target):
        return configured
    of_loop = _buses.setdefault(asyncio.get_running_loop(), {})
    bus = of_loop.get(address)
    if bus is None or bus.closed:
        chosen = settings().model_copy(update={"redis": section})
        store = AsyncEventStore(chosen)
        bus = of_loop[address] = AsyncEventBus(store, redact=process_hook.take())
    return bus
