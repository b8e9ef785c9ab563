"""Overrides of agents' configuration, for blocking callers: write, read, the agent as it is.

    from eventstore import write_override

    write_override(client, "writer", "c-1", {"model": "gpt-4o", "lock": True})

Every write is an event; nothing expires, and none is lost among writers at once. `client` is a
`redis.Redis`, a bus, or None for the configured store (`eventstore.client_bus`).
`eventstore.async_overrides` is the asyncio twin; a test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from eventstore.client_bus import bus_for
from eventstore.overriding import Overriding

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import redis

    from eventstore.agent_config import AgentConfig
    from eventstore.bus import EventBus

    Client: TypeAlias = EventBus | redis.Redis | None


def write_override(
    client: Client,
    agent_id: str,
    conversation_id: str,
    patch: Mapping[str, Any],
    *,
    ref: str | None = None,
) -> bool:
    """Patch what overrides an agent's configuration in a conversation; False if it is locked.

    A key's value is replaced whole; None removes the key. `"lock": True` refuses every later
    patch until one with `"lock": False`, which unlocks before it is applied. With a `ref` of the
    caller's, a call whose outcome is unknown (`Unavailable`) may be made again. Raises
    `InvalidEvent`, `InvalidName` or `RedactionFailed`; then, and with False, nothing was written.
    """
    bus = bus_for(client)
    overriding = Overriding(bus.store.parts, bus.redact)
    return bus.store.runner.run(overriding.patch(agent_id, conversation_id, patch, ref))


def read_override(
    client: Client,
    agent_id: str,
    conversation_id: str,
    *,
    as_of: int | str | datetime | None = None,
) -> dict[str, Any]:
    """Return what overrides an agent's configuration; empty if nothing does.

    `as_of` is a `seq` of the conversation (the event of that seq counts) or a time by the
    server's clock (what was appended until then), as for branches: `SessionNotFound` for a
    conversation without events, `InvalidInput` for a seq that it does not have. Whether it is
    locked, `override_history` says.
    """
    store = bus_for(client).store
    flows = Overriding(store.parts)
    return dict(store.reading(lambda: flows.read(agent_id, conversation_id, as_of)).effective)


def override_history(client: Client, agent_id: str, conversation_id: str) -> list[dict[str, Any]]:
    """Return every patch of an agent's override in a conversation, oldest first.

    Each as `ref`, `seq`, `ts`, `author`, `patch`, `effective` (the override after it), `locked`.
    """
    store = bus_for(client).store
    flows = Overriding(store.parts)
    return store.reading(lambda: flows.history(agent_id, conversation_id))


def effective_agent(agent_id: str, conversation_id: str, client: Client = None) -> AgentConfig:
    """Return an agent of `agents()` as it is in a conversation: with its override merged in.

    Raises `AgentNotFound` if no such agent is configured, and `SettingsError` naming the key if
    the override does not fit the agent.
    """
    store = bus_for(client).store
    return store.runner.run(Overriding(store.parts).effective_agent(agent_id, conversation_id))
