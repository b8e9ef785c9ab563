"""One bus a process: shared by threads, not by forked children, one an event loop in asyncio."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support.stores import open_store

from eventstore import get_async_bus, get_bus, get_redis, reset_bus, reset_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import PrivateServer

HEADER = {"session_id": "s", "agent_id": "a", "type": "state"}


@pytest.fixture
def configured(
    server: PrivateServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Settings of this process that name the test's server."""
    monkeypatch.setenv("REDIS_URL", server.url)
    monkeypatch.setenv("EVENTSTORE_STORE__NAMESPACE", namespace)
    monkeypatch.setenv("EVENTSTORE_PAYLOADS__URL", f"memory://{namespace}")
    reset_settings()
    yield
    reset_bus()
    reset_settings()


def in_child(work: Callable[[], Any]) -> Any:
    """Return what `work` returns in a forked child."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(writing, json.dumps(work()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return json.loads(text)


def client_id() -> int:
    """Return the server's number of the connection that the plain client uses now."""
    return int(get_redis().client_id())


# Forking beside threads is what is tested here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.usefixtures("configured")
class TestBlocking:
    def test_a_process_has_one_bus_and_one_client(self) -> None:
        bus = get_bus()
        assert get_bus() is bus
        assert get_redis() is bus.redis
        assert get_redis() is get_redis()
        assert bus.redis.ping()

    def test_threads_that_ask_at_once_get_the_same(self) -> None:
        start = threading.Barrier(8)

        def ask(_: int) -> int:
            start.wait()
            return id(get_bus())

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(ask, range(8)))) == 1

    def test_reset_reads_the_settings_again(
        self, namespace: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = get_bus()
        before.publish(HEADER, {})
        monkeypatch.setenv("EVENTSTORE_STORE__NAMESPACE", f"{namespace}-2")
        reset_settings()
        reset_bus()
        assert get_bus() is not before
        assert get_bus().publish(HEADER, {}).position == 1

    def test_a_forked_child_has_a_bus_and_connections_of_its_own(
        self, server: PrivateServer, namespace: str
    ) -> None:
        bus = get_bus()
        bus.publish(HEADER, "parent")
        before = client_id()

        def publish() -> list[Any]:
            fresh = get_bus() is not bus
            return [fresh, client_id(), get_bus().publish(HEADER, "child").seq]

        fresh, childs, seq = in_child(publish)
        assert fresh
        assert childs != before
        assert seq == 1
        assert client_id() == before
        assert bus.publish(HEADER, "parent again").seq == 2

    def test_a_bus_that_a_child_inherits_connects_anew(self) -> None:
        bus = get_bus()
        bus.publish(HEADER, "parent")
        assert in_child(lambda: [bus.publish(HEADER, n).seq for n in range(3)]) == [1, 2, 3]
        assert bus.publish(HEADER, "parent").seq == 4

    def test_a_child_forked_while_others_publish_is_whole(
        self, server: PrivateServer, namespace: str
    ) -> None:
        bus, ended = get_bus(), threading.Event()

        def publish() -> int:
            count = 0
            while not ended.is_set():
                bus.publish(HEADER, count)
                count += 1
            return count

        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(publish) for _ in range(2)]
            try:
                answers = [
                    in_child(
                        lambda: [bus.publish(HEADER, "c").ref, get_bus().publish(HEADER, "n").ref]
                    )
                    for _ in range(5)
                ]
            finally:
                ended.set()
            count = sum(run.result(timeout=60) for run in runs)
        with open_store(server, namespace) as store:
            refs = {found.event.ref for found in store.read("s")}
        assert len(refs) == count + 10
        assert {ref for answer in answers for ref in answer} <= refs


@pytest.mark.usefixtures("configured")
class TestAsyncio:
    def test_a_loop_has_one_bus(self) -> None:
        async def ask() -> tuple[bool, bool, int]:
            bus = get_async_bus()
            same = get_async_bus() is bus
            seq = (await bus.publish(HEADER, {})).seq
            pong = await bus.redis.ping()
            await bus.close()
            assert pong
            return same, get_async_bus() is bus, seq

        assert asyncio.run(ask()) == (True, False, 0)
        assert asyncio.run(ask()) == (True, False, 1)

    def test_outside_of_a_loop_there_is_none(self) -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            get_async_bus()
