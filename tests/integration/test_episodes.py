"""The episode of an agent's work is that of what it published last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from support.consuming import running
from support.stores import make_settings

from consumers.working.groups import known_groups
from eventstore import async_current_episode_id, current_episode_id
from eventstore.async_bus import AsyncEventBus
from eventstore.bus import EventBus
from eventstore.store import AsyncEventStore, EventStore

if TYPE_CHECKING:
    from support.server import PrivateServer


def test_the_last_episode_of_an_agent_on_a_branch(server: PrivateServer, namespace: str) -> None:
    settings = make_settings(server, namespace)
    header = {"session_id": "c", "type": "state"}
    with running(settings, known_groups()), EventBus(EventStore(settings)) as bus:
        assert current_episode_id("c", "a", client=bus) == "0"
        bus.publish({**header, "agent_id": "a", "episode_id": "1"}, 1)
        bus.publish({**header, "agent_id": "a", "episode_id": "2"}, 1)
        bus.publish({**header, "agent_id": "b", "episode_id": "7"}, 1)
        bus.publish({**header, "agent_id": "a", "episode_id": "9", "branch_id": "side"}, 1)
        assert current_episode_id("c", "a", client=bus) == "2"
        assert current_episode_id("c", "b", client=bus) == "7"
        assert current_episode_id("c", "a", "side", client=bus) == "9"

        async def asked() -> list[str]:
            async with AsyncEventBus(AsyncEventStore(settings)) as twin:
                return [await async_current_episode_id("c", agent, client=twin) for agent in "abz"]

        assert anyio.run(asked) == ["2", "7", "0"]
