"""Opening a store: what a server must be, and which store it must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.artifacts import artifacts
from support.cutting import perform
from support.server import PrivateServer
from support.stores import make_settings, open_store

from eventstore.errors import (
    Diverged,
    EventStoreError,
    Poisoned,
    StoreUnreachable,
    WrongStore,
)
from eventstore.keys import Keys
from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    import redis

    Starter: TypeAlias = Callable[..., PrivateServer]

# More steps than an open has.
MANY = 200
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")


def meta(client: redis.Redis, namespace: str, partition: int = 0) -> list[bytes | str | None]:
    """Return the uuid, number of partitions and state that a partition has on record."""
    return client.hmget(Keys(namespace, partition).meta, ["uuid", "partitions", "state"])


class TestNewAndKnown:
    def test_the_first_open_creates_every_partition(
        self, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        with open_store(server, namespace, 4) as store:
            opened = store.open()
        assert opened.created
        # Above the epoch of any store that was there before.
        assert len(opened.epochs) == 4
        assert min(opened.epochs) > 1_600_000_000_000
        assert opened.unproven == ()
        for partition in range(4):
            assert meta(redis_client, namespace, partition) == [opened.uuid.encode(), b"4", b"open"]

    def test_a_second_process_opens_the_same(self, server: PrivateServer, namespace: str) -> None:
        with open_store(server, namespace) as one, open_store(server, namespace) as two:
            assert not two.open().created
            assert two.open().uuid == one.open().uuid
            assert two.open().epochs == one.open().epochs
            rows = [store.append("s", artifacts("s", 1))[0] for store in (one, two, one)]
            assert [row.seq for row in rows] == [0, 1, 2]

    def test_namespaces_are_stores_apart(self, server: PrivateServer, namespace: str) -> None:
        with open_store(server, namespace) as one, open_store(server, f"{namespace}:2") as two:
            assert one.open().uuid != two.open().uuid
            one.append("s", artifacts("s", 3))
            assert two.read("s") == []

    def test_a_creation_that_was_cut_short_anywhere_is_finished(
        self, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        for steps in range(MANY):
            name = f"{namespace}:{steps}"
            with EventStore(make_settings(server, name, 3, lease_seconds=0.02)) as killed:
                if perform(killed, killed.parts.log.open(), steps):
                    break
            begun = {meta(redis_client, name, partition)[0] for partition in range(3)} - {None}
            with open_store(server, name, 3, lease_seconds=0.02) as store:
                assert begun <= {store.open().uuid.encode()}
                for session in ("a", "b", "c"):
                    assert store.append(session, artifacts(session, 1))[0].seq == 0
        assert 10 < steps < MANY - 1


class TestGone:
    def test_a_partition_that_was_open_is_not_made_anew(
        self, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        open_store(server, namespace, 4).close()
        redis_client.unlink(Keys(namespace, 2).meta)
        for _ in range(2):
            with pytest.raises(Diverged, match=r"partition 2 is gone .* the journal holds none"):
                open_store(server, namespace, 4)
        assert redis_client.exists(Keys(namespace, 2).meta) == 0

    def test_keys_without_their_meta_are_left(
        self, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        with open_store(server, namespace) as store:
            store.append("s", artifacts("s", 3))
        redis_client.unlink(Keys(namespace, 0).meta)
        for _ in range(2):
            with pytest.raises(Poisoned, match="its meta is gone while other keys are there"):
                open_store(server, namespace)
        assert redis_client.exists(Keys(namespace, 0).meta) == 0


class TestWrongStore:
    @pytest.mark.parametrize(("created", "asked"), [(1, 4), (4, 1)])
    def test_another_number_of_partitions(
        self, server: PrivateServer, namespace: str, created: int, asked: int
    ) -> None:
        with open_store(server, namespace, created) as store:
            store.append("s", artifacts("s", 1))
        with pytest.raises(WrongStore, match=f"has partitions {created}; .*store.namespace"):
            open_store(server, namespace, asked)

    def test_another_format(
        self, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        open_store(server, namespace).close()
        redis_client.hset(Keys(namespace, 0).meta, "format", "2")
        with pytest.raises(WrongStore, match="has format 2"):
            open_store(server, namespace)

    def test_partitions_of_two_stores(
        self, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        open_store(server, namespace, 2).close()
        redis_client.hset(Keys(namespace, 1).meta, "uuid", "f" * 32)
        with pytest.raises(WrongStore, match=f"partition 1: .*uuid {'f' * 32}"):
            open_store(server, namespace, 2)

    def test_another_store_in_place_of_the_one_opened(
        self, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        with open_store(server, namespace) as store:
            redis_client.hset(Keys(namespace, 0).meta, "uuid", "f" * 32)
            store.parts.log.forget()
            with pytest.raises(WrongStore, match="uuid"):
                store.append("s", artifacts("s", 1))

    def test_a_store_that_is_gone_is_not_made_anew(
        self, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        with open_store(server, namespace) as store:
            redis_client.unlink(Keys(namespace, 0).meta)
            with pytest.raises(Diverged, match="is gone from the server"):
                store.append("s", artifacts("s", 1))
        assert redis_client.exists(Keys(namespace, 0).meta, Keys(namespace, 0).stream) == 0

    def test_a_stream_without_meta_is_nobodys(
        self, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        redis_client.xadd(Keys(namespace, 0).stream, {"a": "b"}, id="0-1")
        with pytest.raises(Poisoned, match="its meta is gone"):
            open_store(server, namespace)

    def test_a_foreign_entry_poisons_appends(
        self, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        with open_store(server, namespace) as store:
            store.append("s", artifacts("s", 1))
            redis_client.xadd(Keys(namespace, 0).stream, {"a": "b"}, id="0-2")
            with pytest.raises(Poisoned, match="ends at 0-2, meta at 0-1"):
                store.append("s", artifacts("s", 1))
            assert [found.seq for found in store.read("s")] == [0]


class TestServer:
    def test_a_replica_is_refused(self, private_server: Starter, namespace: str) -> None:
        primary = private_server(tcp=True)
        replica = private_server("--replicaof", f"127.0.0.1 {primary.port}")
        with pytest.raises(StoreUnreachable, match=r"is a replica; point redis\.url"):
            open_store(replica, namespace)

    def test_no_server_is_unreachable(self, namespace: str, tmp_path: Path) -> None:
        nowhere = PrivateServer(tmp_path)
        with pytest.raises(StoreUnreachable, match=r"s\.sock"):
            open_store(nowhere, namespace)

    def test_a_server_that_may_evict_is_refused(
        self, private_server: Starter, namespace: str
    ) -> None:
        evicting = private_server("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")
        with pytest.raises(WrongStore, match=r"may evict keys .*allkeys-lru"):
            open_store(evicting, namespace)
        with open_store(evicting, namespace, allow_eviction=True) as store:
            assert store.append("s", artifacts("s", 1))[0].seq == 0


class TestDurability:
    def test_fsync_is_granted_where_it_is_so(self, private_server: Starter, namespace: str) -> None:
        with open_store(private_server(*ALWAYS), namespace, durability="fsync") as store:
            assert store.append("s", artifacts("s", 1))[0].seq == 0

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--appendonly", "no", "--appendfsync", "always"), "needs appendonly yes.* has no"),
            (("--appendonly", "yes", "--appendfsync", "everysec"), "needs appendfsync always"),
            ((*ALWAYS, "--no-appendfsync-on-rewrite", "yes"), "needs no-appendfsync-on-rewrite no"),
        ],
        ids=["no file", "everysec", "on rewrite"],
    )
    def test_fsync_is_refused_where_it_is_not(
        self, private_server: Starter, namespace: str, options: tuple[str, ...], said: str
    ) -> None:
        lax = private_server(*options)
        with pytest.raises(WrongStore, match=said):
            open_store(lax, namespace, durability="fsync")
        with lax.client() as client:
            assert client.dbsize() == 0

    def test_fsync_is_refused_where_it_cannot_be_read(
        self, private_server: Starter, namespace: str
    ) -> None:
        server = private_server(*ALWAYS)
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "app", "on", ">word", "~*", "+@all", "-config")
        with pytest.raises(WrongStore, match="cannot be checked"):
            EventStore(as_user(server, namespace, durability="fsync")).open()
        with EventStore(as_user(server, namespace)) as store:
            assert store.append("s", artifacts("s", 1))[0].seq == 0

    def test_a_wrong_password_names_the_settings(
        self, private_server: Starter, namespace: str
    ) -> None:
        with pytest.raises(EventStoreError, match=r"check redis\.username and redis\.password"):
            EventStore(as_user(private_server(), namespace)).open()


def as_user(server: PrivateServer, namespace: str, **store: Any) -> AppSettings:
    """Return settings of a store on `server` as the ACL user `app`."""
    settings = make_settings(server, namespace, **store)
    account = {"username": "app", "password": "word"}
    return AppSettings(
        mode="test",
        redis={"url": server.url, **account},
        store=settings.store.model_dump(),
        payloads={"url": settings.payloads.url},
    )
