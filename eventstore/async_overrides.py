"""Overrides of agents' configuration, for asyncio callers: the twin of `eventstore.overrides`.

    from eventstore import async_write_override

    await async_write_override(client, "writer", "c-1", {"model": "gpt-4o", "lock": True})

`client` is a `redis.asyncio.Redis`, a `redis.Redis`, an asyncio bus, or None for the configured
store (`eventstore.async_client_bus`). What the functions promise is said by their twins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.async_client_bus import async_bus_for
from eventstore.overriding import Overriding

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from eventstore.agent_config import AgentConfig
    from eventstore.async_client_bus import AsyncClient


async def async_write_override(
    client: AsyncClient,
    agent_id: str,
    conversation_id: str,
    patch: Mapping[str, Any],
    *,
    ref: str | None = None,
) -> bool:
    """Patch what overrides an agent's configuration in a conversation; False if it is locked."""
    bus = async_bus_for(client)
    overriding = Overriding(bus.store.parts, bus.redact)
    return await bus.store.runner.run(overriding.patch(agent_id, conversation_id, patch, ref))


async def async_read_override(
    client: AsyncClient,
    agent_id: str,
    conversation_id: str,
    *,
    as_of: int | str | datetime | None = None,
) -> dict[str, Any]:
    """Return what overrides an agent's configuration; empty if nothing does."""
    store = async_bus_for(client).store
    flows = Overriding(store.parts)
    found = await store.reading(lambda: flows.read(agent_id, conversation_id, as_of))
    return dict(found.effective)


async def async_override_history(
    client: AsyncClient, agent_id: str, conversation_id: str
) -> list[dict[str, Any]]:
    """Return every patch of an agent's override in a conversation, oldest first."""
    store = async_bus_for(client).store
    flows = Overriding(store.parts)
    return await store.reading(lambda: flows.history(agent_id, conversation_id))


async def async_effective_agent(
    agent_id: str, conversation_id: str, client: AsyncClient = None
) -> AgentConfig:
    """Return an agent of `agents()` as it is in a conversation: with its override merged in."""
    store = async_bus_for(client).store
    flow = Overriding(store.parts).effective_agent(agent_id, conversation_id)
    return await store.runner.run(flow)
