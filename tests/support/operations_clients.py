"""Several clients of one store in one process, blocking and asyncio ones, each with sessions."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from anyio.from_thread import start_blocking_portal
from support.buses import BusUnderTest
from support.consuming import running, until_caught_up
from support.sessions import Awaited

from consumers.working.groups import known_groups, select_groups
from eventstore import async_overrides, overrides, reset_settings
from eventstore.async_sessions import AsyncSession
from eventstore.sessions import Session
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest
    from anyio.from_thread import BlockingPortal

    from eventstore.bus import EventBus
    from eventstore.settings import AppSettings
    from eventstore.store import EventStore


class Client:
    """A bus of its own; a test calls the asyncio form like the blocking one."""

    def __init__(self, settings: AppSettings, portal: BlockingPortal | None) -> None:
        self._tested = BusUnderTest(settings, portal)
        self._portal = portal
        self.bus: EventBus = self._tested.bus
        self.store: EventStore = self._tested.store

    def session(self, session_id: str) -> Session:
        """Return a session that shares nothing with other clients but the store."""
        if self._portal is None:
            return Session(self.bus, session_id)
        bus = self.bus._bus  # type: ignore[attr-defined]
        return cast("Session", Awaited(AsyncSession(bus, session_id), self._portal))

    def write_override(self, *args: Any) -> bool:
        return bool(self._override("write_override", *args))

    def read_override(self, *args: Any, **named: Any) -> Any:
        return self._override("read_override", *args, **named)

    def override_history(self, *args: Any) -> Any:
        return self._override("override_history", *args)

    def effective_agent(self, agent_id: str, session_id: str) -> Any:
        if self._portal is None:
            return overrides.effective_agent(agent_id, session_id, self.bus)
        bus = self.bus._bus  # type: ignore[attr-defined]
        return self._portal.call(async_overrides.async_effective_agent, agent_id, session_id, bus)

    def _override(self, name: str, *args: Any, **named: Any) -> Any:
        if self._portal is None:
            return getattr(overrides, name)(self.bus, *args, **named)
        function = getattr(async_overrides, f"async_{name}")
        bus = self.bus._bus  # type: ignore[attr-defined]
        return self._portal.call(partial(function, bus, *args, **named))

    def look(self) -> int:
        """Have this client's reads of projections wait for all that is in the log; count that."""
        heads = self.store.head()
        for head in heads:
            self.bus.store.parts.log.acknowledge(head.partition, head.position, head.chain)
        return sum(head.position for head in heads)

    def close(self) -> None:
        self._tested.close()


@contextmanager
def configured(agent_id: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have one agent in the configuration."""
    file = directory / "agents.json"
    file.write_text(json.dumps([{"id": agent_id, "kind": "llm"}]))
    monkeypatch.setenv("EVENTSTORE_AGENTS", str(file))
    reset_settings()
    try:
        yield
    finally:
        monkeypatch.delenv("EVENTSTORE_AGENTS")
        reset_settings()


@contextmanager
def operating(settings: AppSettings) -> Iterator[list[Client]]:
    """Yield clients of a store whose projections a worker builds meanwhile."""
    with start_blocking_portal("asyncio") as portal:
        clients = [Client(settings, form) for form in (None, portal, None)]
        try:
            clients[0].store.open()
            with running(settings, select_groups([each.name for each in PROJECTIONS])):
                yield clients
        finally:
            for client in clients:
                client.close()


def finish(settings: AppSettings, store: EventStore) -> None:
    """Let every group come to the head of the log: files and journal too."""
    with running(settings, select_groups(None)):
        for group in known_groups():
            until_caught_up(store, group)
