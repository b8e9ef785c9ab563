"""A server that was restarted, rolled back or replaced under a store that is open."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.artifacts import artifact, artifacts
from support.server import PrivateServer
from support.stores import make_settings, open_store
from support.wait import until

from eventstore import commands
from eventstore.commands import Accepted, Declined
from eventstore.errors import Diverged, Sealed, StoreUnreachable
from eventstore.flow import call
from eventstore.store import AsyncEventStore, EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from eventstore.drafts import Draft
    from eventstore.flow import Call
    from eventstore.settings import AppSettings

    Starter: TypeAlias = Callable[..., PrivateServer]

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


def raw_append(store: EventStore, epoch: int, item: Draft) -> Call[Accepted | Declined]:
    """Return the append as a producer sends it that looks at nothing first."""
    keys = store.parts.log.keys_of(item.event.session_id)
    return commands.append(
        keys,
        item.event.session_id,
        [item],
        epoch=epoch,
        buffer_limit=10**6,
        expect={},
        start={},
    )


def cut_connections(server: PrivateServer) -> None:
    with server.client() as client:
        client.execute_command("CLIENT", "KILL", "SKIPME", "yes")


class TestRestart:
    def test_a_restart_is_a_new_epoch(self, private_server: Starter, namespace: str) -> None:
        server = private_server(*DURABLE)
        with open_store(server, namespace, 2) as store:
            first = store.append("s", artifacts("s", 2))
            epochs = store.open().epochs
            server.restart()
            rows = store.append("s", artifacts("s", 1))
            assert (rows[0].seq, rows[0].position) == (2, first[-1].position + 1)
            opened = store.open()
            assert opened.epochs == tuple(epoch + 1 for epoch in epochs)
            partition = store.parts.log.keys_of("s").partition
            assert len(opened.unproven) == 1
            assert f"partition {partition}: " in opened.unproven[0]
            assert "it holds 2 events" in opened.unproven[0]

    def test_a_stale_producer_appends_nothing_before_it_looks(
        self, private_server: Starter, namespace: str
    ) -> None:
        server = private_server(*DURABLE)
        item = artifact("s")
        with open_store(server, namespace) as stale:
            (epoch,) = stale.open().epochs
            server.restart()
            # Nobody has opened the new instance yet: its connection is refused.
            with pytest.raises(Sealed, match="is not the verified"):
                stale.runner.run(call(raw_append(stale, epoch, item)))
            with open_store(server, namespace) as other:
                assert other.open().epochs == (epoch + 1,)
                # On a connection that is admitted, the epoch alone refuses it.
                outcome = other.runner.run(call(raw_append(stale, epoch, item)))
                assert outcome == Declined("stale", (str(epoch + 1), "open"))
                assert other.read("s") == []
                assert stale.append("s", [item])[0].seq == 0
                assert stale.open().epochs == (epoch + 1,)

    def test_a_read_looks_again_by_itself(self, private_server: Starter, namespace: str) -> None:
        server = private_server(*DURABLE)
        with open_store(server, namespace) as store:
            (row,) = store.append("s", artifacts("s", 1))
            server.restart()
            assert store.get(row.ref).seq == 0

    def test_an_append_waits_for_the_server(self, private_server: Starter, namespace: str) -> None:
        server = private_server(*DURABLE)
        with open_store(server, namespace, inline_limit=100) as store:
            store.append("s", artifacts("s", 1))
            server.stop()
            starting = threading.Timer(0.3, server.start)
            starting.start()
            large = {"text": "".join(map(str, range(5000)))}
            try:
                rows = store.append("s", [artifact("s", 1), artifact("s", large)])
            finally:
                starting.join()
            assert [row.seq for row in rows] == [1, 2]

    def test_an_append_gives_up_with_the_reason(
        self, private_server: Starter, namespace: str
    ) -> None:
        server = private_server()
        with open_store(server, namespace, publish_timeout=0.1) as store:
            server.stop()
            with pytest.raises(StoreUnreachable, match="is the server up"):
                store.append("s", artifacts("s", 1))
            with pytest.raises(StoreUnreachable):
                store.read("s")


class TestLoss:
    def test_a_rolled_back_server_has_diverged(
        self, private_server: Starter, namespace: str, tmp_path: Path
    ) -> None:
        server = private_server(*DURABLE)
        data, copy = server.directory / "appendonlydir", tmp_path / "copy"
        with open_store(server, namespace) as store:
            store.append("s", artifacts("s", 3))
            shutil.copytree(data, copy)
            lost = artifact("s")
            store.append("s", [lost])
            server.kill()
            shutil.rmtree(data)
            shutil.copytree(copy, data)
            server.start()
            for _ in range(2):
                with pytest.raises(Diverged, match=r"position 4 with chain [0-9a-f]{16}"):
                    store.append("s", artifacts("s", 1))
                with pytest.raises(Diverged):
                    store.read("s")
            with open_store(server, namespace) as fresh:
                assert len(fresh.read("s")) == 3
                fresh.append("s", artifacts("s", 2))
            # Another history has grown past the position meanwhile: the chain tells.
            with pytest.raises(Diverged, match="position 4"):
                store.append("s", [lost])

    def test_a_promoted_replica_that_lacks_the_tail_has_diverged(
        self, private_server: Starter, namespace: str, tmp_path: Path
    ) -> None:
        primary = private_server(tcp=True)
        replica = private_server("--replicaof", f"127.0.0.1 {primary.port}")
        address = Address(tmp_path / "db", primary)
        with address.open(namespace, publish_timeout=1.0) as store, replica.client() as client:
            store.append("s", artifacts("s", 2))
            until(lambda: client.xlen(store.parts.log.partitions[0].stream) == 2)
            client.execute_command("REPLICAOF", "NO", "ONE")
            store.append("s", artifacts("s", 1))
            primary.kill()
            address.point_to(replica)
            with pytest.raises(Diverged, match="position 3"):
                store.append("s", artifacts("s", 1))
            assert client.xlen(store.parts.log.partitions[0].stream) == 2

    def test_a_promoted_replica_that_has_all_goes_on(
        self, private_server: Starter, namespace: str, tmp_path: Path
    ) -> None:
        primary = private_server(tcp=True)
        replica = private_server("--replicaof", f"127.0.0.1 {primary.port}")
        address = Address(tmp_path / "db", primary)
        with address.open(namespace) as store, replica.client() as client:
            store.append("s", artifacts("s", 2))
            (epoch,) = store.open().epochs
            until(lambda: client.xlen(store.parts.log.partitions[0].stream) == 2)
            client.execute_command("REPLICAOF", "NO", "ONE")
            primary.kill()
            address.point_to(replica)
            (row,) = store.append("s", artifacts("s", 1))
            assert (row.seq, store.open().epochs) == (2, (epoch + 1,))


class Address:
    """A socket path that leads to one server, then to another."""

    def __init__(self, path: Path, server: PrivateServer) -> None:
        self._path = path
        self._path.symlink_to(server.socket_path)

    def point_to(self, server: PrivateServer) -> None:
        self._path.unlink()
        self._path.symlink_to(server.socket_path)

    def settings(self, namespace: str, **store: Any) -> AppSettings:
        settings = make_settings(PrivateServer(self._path.parent), namespace, **store)
        redis = settings.redis.model_validate({"url": f"unix://{self._path}"})
        return settings.model_copy(update={"redis": redis})

    def open(self, namespace: str, **store: Any) -> EventStore:
        opened = EventStore(self.settings(namespace, **store))
        opened.open()
        return opened


class TestOtherInstance:
    def test_a_silent_reconnect_is_refused(
        self, private_server: Starter, namespace: str, tmp_path: Path
    ) -> None:
        one, two = private_server(), private_server()
        address = Address(tmp_path / "db", one)
        with address.open(namespace, publish_timeout=0.1) as store:
            store.append("s", artifacts("s", 1))
            address.point_to(two)
            cut_connections(one)
            with pytest.raises(Sealed, match="is not the verified"):
                store.runner.run(call(raw_append(store, 1, artifact("s"))))
            with pytest.raises(Diverged, match="is gone from the server"):
                store.append("s", artifacts("s", 1))
        with two.client() as client:
            assert client.dbsize() == 0

    @pytest.mark.anyio
    async def test_a_silent_reconnect_is_refused_in_asyncio(
        self, private_server: Starter, namespace: str, tmp_path: Path
    ) -> None:
        one, two = private_server(), private_server()
        address = Address(tmp_path / "db", one)
        settings = address.settings(namespace, publish_timeout=0.1)
        async with AsyncEventStore(settings) as store:
            await store.append("s", artifacts("s", 1))
            address.point_to(two)
            await anyio.to_thread.run_sync(cut_connections, one)
            with pytest.raises(Sealed, match="is not the verified"):
                await store.runner.run(store.parts.log.heads())
            with pytest.raises(Diverged, match="is gone from the server"):
                await store.append("s", artifacts("s", 1))
        with two.client() as client:
            assert client.dbsize() == 0
