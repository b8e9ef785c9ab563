"""Exchanges with the server: what is cut short never answers the next call."""

from __future__ import annotations

import os
import random
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.artifacts import artifact, artifacts
from support.stores import make_settings, open_store
from support.wait import until

from eventstore.commands import head
from eventstore.errors import CommandFailed, StoreFull, StoreUnreachable, Unavailable
from eventstore.flow import Call, as_is, batch, call
from eventstore.store import AsyncEventStore, EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from support.server import PrivateServer

    Starter: TypeAlias = Callable[..., PrivateServer]


def echo(text: str) -> Call[bytes]:
    return Call("ECHO", (), (text,), as_is)


@pytest.mark.anyio
class TestCancelled:
    @pytest.mark.parametrize("connected", [True, False])
    async def test_a_cancelled_call_leaves_no_reply_behind(
        self, private_server: Starter, namespace: str, connected: bool
    ) -> None:
        server = private_server()
        async with AsyncEventStore(make_settings(server, namespace)) as store:
            await store.open()
            if connected:
                await store.runner.run(call(echo("warm")))
            server.freeze()
            with anyio.move_on_after(0.3) as scope:
                await store.runner.run(call(echo("cancelled")))
            assert scope.cancelled_caught
            # The next is sent while the cancelled one has no answer yet.
            thawing = threading.Timer(0.3, server.thaw)
            thawing.start()
            try:
                for number in range(5):
                    answer = await store.runner.run(call(echo(f"{number}")))
                    assert answer == f"{number}".encode()
            finally:
                await anyio.to_thread.run_sync(thawing.join)
            assert (await store.append("s", artifacts("s", 2)))[-1].seq == 1

    async def test_cancelled_appends_are_there_or_not(
        self, private_server: Starter, namespace: str
    ) -> None:
        server = private_server()
        items = artifacts("s", 60)
        rng = random.Random(7)
        async with AsyncEventStore(make_settings(server, namespace)) as store:
            await store.open()
            for item in items:
                with anyio.move_on_after(rng.random() * 0.001):
                    await store.append("s", [item])
            rows = [(await store.append("s", [item]))[0] for item in items]
            log = await store.read("s")
        assert sorted(row.seq for row in rows) == list(range(60))
        assert {found.event.ref: found.seq for found in log} == {r.ref: r.seq for r in rows}


class TestSilence:
    def test_a_silent_server_is_unreachable_after_the_timeout(
        self, private_server: Starter, namespace: str
    ) -> None:
        server = private_server()
        settings = make_settings(server, namespace, publish_timeout=0.1)
        patient = settings.redis.model_copy(update={"socket_timeout": 0.3, "connect_timeout": 0.3})
        with EventStore(settings.model_copy(update={"redis": patient})) as store:
            item = artifact("s")
            store.append("s", artifacts("s", 1))
            server.freeze()
            with pytest.raises(StoreUnreachable):
                store.append("s", [item])
            with pytest.raises(StoreUnreachable):
                store.head()
            server.thaw()
            # Whether it was written by the frozen server or not: it is there once.
            assert store.append("s", [item])[0].seq == 1
            assert len(store.read("s")) == 2

    def test_an_append_outlives_a_stall(self, private_server: Starter, namespace: str) -> None:
        server = private_server()
        settings = make_settings(server, namespace, publish_timeout=20.0)
        patient = settings.redis.model_copy(update={"socket_timeout": 0.3})
        with EventStore(settings.model_copy(update={"redis": patient})) as store:
            store.append("s", artifacts("s", 1))
            server.freeze()
            thawing = threading.Timer(1.0, server.thaw)
            thawing.start()
            try:
                assert store.append("s", artifacts("s", 1))[0].seq == 1
            finally:
                thawing.join()
            assert len(store.read("s")) == 2


class TestRefusals:
    def test_scripts_that_the_server_forgot_are_sent_again(
        self, private_server: Starter, namespace: str
    ) -> None:
        server = private_server()
        with open_store(server, namespace) as store, server.client() as client:
            store.append("s", artifacts("s", 1))
            client.script_flush()
            assert store.append("s", artifacts("s", 1))[0].seq == 1

    def test_an_error_among_replies_is_raised_and_the_connection_goes_on(
        self, private_server: Starter, namespace: str
    ) -> None:
        with open_store(private_server(), namespace) as store:
            wrong: Call[Any] = Call("INCR", (store.parts.log.partitions[0].meta,), (), as_is)
            with pytest.raises(CommandFailed, match="WRONGTYPE"):
                store.runner.run(batch([echo("a"), wrong, echo("b")]))
            assert store.runner.run(batch([echo("c"), echo("d")])) == [b"c", b"d"]

    def test_a_full_server_refuses_whole_and_says_so(
        self, private_server: Starter, namespace: str
    ) -> None:
        server = private_server("--maxmemory", "0")
        with open_store(server, namespace) as store, server.client() as client:
            store.append("s", artifacts("s", 1))
            client.config_set("maxmemory", "1mb")
            with pytest.raises(StoreFull, match="wrote nothing"):
                store.append("s", [artifact("s", os.urandom(1000))])
            assert store.runner.run(call(head(store.parts.log.partitions[0])))
            assert len(store.read("s")) == 1
            client.config_set("maxmemory", "0")
            assert store.append("s", artifacts("s", 1))[0].seq == 1

    def test_a_server_that_cannot_save_is_waited_for(
        self, private_server: Starter, namespace: str
    ) -> None:
        server = private_server()
        with open_store(server, namespace, publish_timeout=0.2) as store, server.client() as client:
            store.append("s", artifacts("s", 1))
            client.config_set("min-replicas-to-write", "1")
            with pytest.raises(Unavailable, match="NOREPLICAS"):
                store.append("s", artifacts("s", 1))
            client.config_set("min-replicas-to-write", "0")
            assert until(lambda: store.append("s", artifacts("s", 1)))[0].seq == 1
