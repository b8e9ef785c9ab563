"""Sessions of a thread, of a task, of a forked child, and those that are idle."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import anyio
import pytest
import redis.asyncio
from support.stores import open_store

from eventstore import reset_bus, reset_settings
from eventstore.async_client_bus import async_bus_for
from eventstore.async_sessions import AsyncSession, get_async_session
from eventstore.bus import EventBus
from eventstore.client_bus import reset_client_buses
from eventstore.errors import InvalidInput
from eventstore.session_cache import SessionCache
from eventstore.sessions import Session, get_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import PrivateServer


@pytest.fixture
def bus(server: PrivateServer, namespace: str) -> Iterator[EventBus]:
    with open_store(server, namespace) as store:
        yield EventBus(store)


class TestThreads:
    """A thread has a session of its own, the same at each call."""

    @pytest.fixture(autouse=True)
    def configured(
        self, server: PrivateServer, namespace: str, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        environment = {
            "REDIS_URL": server.url,
            "EVENTSTORE_MODE": "test",
            "EVENTSTORE_STORE__NAMESPACE": namespace,
            "EVENTSTORE_PAYLOADS__URL": f"memory://{namespace}",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        reset_settings()
        reset_bus()
        yield
        reset_bus()
        reset_client_buses()
        reset_settings()

    def test_a_conversation_has_one_session_a_thread(self) -> None:
        session = get_session("c")
        assert get_session("c") is session
        assert get_session("d") is not session
        found: list[Session] = []
        thread = threading.Thread(target=lambda: found.append(get_session("c")))
        thread.start()
        thread.join()
        assert found[0] is not session

    def test_a_client_says_which_server(
        self, server: PrivateServer, private_server: Callable[..., PrivateServer]
    ) -> None:
        """Its connections are not used: appends go over the store's own, which are verified."""
        with server.client() as client:
            session = get_session("c", client)
            assert session is get_session("c")
            session.register_agent("a")
            session.save()
        with private_server().client() as other:
            elsewhere = get_session("c", other)
            assert elsewhere is get_session("c", other)
            assert (elsewhere.agents, session.agents) == ([], ["a"])
        with pytest.raises(InvalidInput, match=r"client: str is no redis.Redis"):
            get_session("c", "localhost")  # type: ignore[arg-type]

    def test_a_forked_child_has_sessions_of_its_own(self) -> None:
        session = get_session("c")
        session.register_agent("a")
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, b"%d" % get_session("c").pending)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        os.close(write)
        assert os.read(read, 9) == b"0"
        os.close(read)
        assert get_session("c") is session

    @pytest.mark.anyio
    async def test_a_task_has_sessions_of_its_own(self, server: PrivateServer) -> None:
        session = get_async_session("c")
        assert get_async_session("c") is session
        async with redis.asyncio.Redis(unix_socket_path=str(server.socket_path)) as client:
            assert get_async_session("c", client) is session
            assert async_bus_for(client) is session.bus
        others: list[AsyncSession] = []

        async def another() -> None:
            others.append(get_async_session("c"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(another)
        assert others[0] is not session
        session.register_agent("a")
        await session.save()
        assert await others[0].agents == ["a"]
        await session.bus.close()


class TestIdle:
    """Sessions that a thread does not ask for are let go."""

    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    def test_idle_ones_are_let_go_at_the_next_call(self, bus: EventBus) -> None:
        clock = self.Clock()
        cache: SessionCache[Session] = SessionCache(clock)

        def get(name: str) -> Session:
            return cache.get(bus, name, 900, lambda: Session(bus, name))

        first, second = get("a"), get("b")
        clock.now = 800
        assert get("a") is first
        clock.now = 901
        assert get("c").session_id == "c"
        assert len(cache) == 2
        assert get("b") is not second
        clock.now = 1701
        assert get("a") is not first

    def test_work_that_waits_is_kept(self, bus: EventBus) -> None:
        clock = self.Clock()
        cache: SessionCache[Session] = SessionCache(clock)
        session = cache.get(bus, "a", 900, lambda: Session(bus, "a"))
        session.register_agent("x")
        clock.now = 10_000
        cache.get(bus, "b", 900, lambda: Session(bus, "b"))
        assert cache.get(bus, "a", 900, lambda: Session(bus, "a")) is session
        session.save()
        clock.now = 20_000
        cache.get(bus, "b", 900, lambda: Session(bus, "b"))
        assert len(cache) == 1
