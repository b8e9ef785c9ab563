"""Episodes: which one an agent's work on a branch belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventstore.async_client_bus import async_bus_for
from eventstore.client_bus import bus_for
from eventstore.events import MAIN_BRANCH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventstore.async_client_bus import AsyncClient
    from eventstore.operations import Row
    from eventstore.overrides import Client

FIRST_EPISODE: Final = "0"


def current_episode_id(
    conversation_id: str, agent_id: str, branch_id: str = MAIN_BRANCH, client: Client = None
) -> str:
    """Return the episode of what an agent published last on a branch; "0" before the first.

    It is a field of the events (`episode_id`), so it neither expires nor has to be kept.
    """
    bus = bus_for(client)
    return _episode_of(bus.search(conversation_id, agent=agent_id, branch=branch_id, limit=1))


async def async_current_episode_id(
    conversation_id: str, agent_id: str, branch_id: str = MAIN_BRANCH, client: AsyncClient = None
) -> str:
    """Return the episode of what an agent published last on a branch; "0" before the first.

    The twin of `current_episode_id` for asyncio callers.
    """
    bus = async_bus_for(client)
    found = await bus.search(conversation_id, agent=agent_id, branch=branch_id, limit=1)
    return _episode_of(found)


def _episode_of(rows: Iterable[Row]) -> str:
    for row in rows:
        episode: str = row.header["episode_id"]
        return episode
    return FIRST_EPISODE
