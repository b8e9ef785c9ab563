"""Overrides of agents' configuration: write, read, and the agent as it is in a conversation.

    from eventstore import write_override

    write_override(client, "writer", "c-1", {"model": "gpt-4o", "lock": True})

Every write is an event; nothing expires, and none is lost among writers at once. `client` is a
`redis.Redis`, a bus, or None for the configured store (`eventstore.client_bus`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from eventstore.agent_config import agents, overridden
from eventstore.client_bus import bus_for
from eventstore.deciding import Deciding
from eventstore.errors import AgentNotFound, OverrideLocked
from eventstore.overriding import Overriding
from eventstore.session_events import OverrideWritten

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
    `InvalidEvent` or `InvalidName`; then, and with False, nothing was written.
    """
    bus = bus_for(client)
    try:
        bus.store.runner.run(_flows(bus).write(agent_id, conversation_id, patch, ref))
    except OverrideLocked:
        return False
    return True


def read_override(
    client: Client,
    agent_id: str,
    conversation_id: str,
    *,
    as_of: int | str | datetime | None = None,
) -> dict[str, Any]:
    """Return what overrides an agent's configuration; empty if nothing does.

    `as_of` is a `seq` of the conversation (the event of that seq counts) or a time (what was
    written until then). Whether it is locked, `override_history` says.
    """
    bus = bus_for(client)
    flows = _flows(bus)
    found = bus.store.reading(lambda: flows.read(agent_id, conversation_id, as_of))
    return dict(found.effective)


def override_history(client: Client, agent_id: str, conversation_id: str) -> list[dict[str, Any]]:
    """Return every patch of an agent's override in a conversation, oldest first.

    Each as `ref`, `seq`, `ts`, `author`, `patch`, `effective` (the override after it), `locked`.
    """
    bus = bus_for(client)
    flows = _flows(bus)
    rows = []
    for recorded in bus.store.reading(lambda: flows.history(agent_id, conversation_id)):
        event = recorded.event
        assert isinstance(event, OverrideWritten)
        rows.append(
            {
                "ref": event.ref,
                "seq": recorded.seq,
                "ts": event.ts,
                "author": event.meta.get("author"),
                "patch": event.patch,
                "effective": event.effective,
                "locked": event.locked,
            }
        )
    return rows


def effective_agent(agent_id: str, conversation_id: str, client: Client = None) -> AgentConfig:
    """Return an agent of `agents()` as it is in a conversation: with its override merged in.

    Raises `AgentNotFound` if no such agent is configured, and `SettingsError` naming the key if
    the override does not fit the agent.
    """
    configured = next((agent for agent in agents() if agent.id == agent_id), None)
    if configured is None:
        raise AgentNotFound(agent_id)
    override = read_override(client, agent_id, conversation_id)
    return overridden(configured, override, f"override of {agent_id!r} in {conversation_id!r}")


def _flows(bus: EventBus) -> Overriding:
    parts = bus.store.parts
    return Overriding(parts.log, Deciding(parts.log, parts.appender))
