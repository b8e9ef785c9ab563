"""What Redis is known to do to users of streams, done to this store. docs/redis.md lists it all."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.consuming import assert_each_once, publish, running, until_caught_up
from support.old_server import OldServer
from support.stores import make_settings, open_store
from support.subscribing import Listener
from support.wait import until

from eventstore.errors import EventStoreError, StoreUnreachable, WrongStore
from eventstore.flow import Call, as_is, call
from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import redis
    from support.server import PrivateServer

    Starter: TypeAlias = Callable[..., PrivateServer]


@pytest.mark.parametrize("version", ["6.2.14", "5.0.3"])
def test_a_server_before_redis_7_is_refused_and_nothing_is_tried_on_it(
    version: str, namespace: str
) -> None:
    with OldServer(version) as old:
        settings = AppSettings(
            mode="test",
            redis={"url": old.url},
            store={"namespace": namespace},
            payloads={"url": "memory://old"},
        )
        with pytest.raises(WrongStore, match=rf"is version {version}; .* need Redis 7\.0 or Val"):
            EventStore(settings).open()
        assert not {name.upper() for name in old.asked} & {b"EVAL", b"EVALSHA", b"XADD", b"HSET"}


def test_a_wait_on_a_primary_that_is_demoted_ends_at_once_and_says_so(
    private_server: Starter, namespace: str
) -> None:
    server, other = private_server(tcp=True), private_server(tcp=True)
    with open_store(server, namespace) as store, server.client() as client:
        [keys] = store.parts.log.partitions
        read: Call[Any] = Call("XREAD", (), ("BLOCK", 1000, "STREAMS", keys.stream, "0-0"), as_is)
        met: list[EventStoreError] = []

        def wait() -> None:
            try:
                while not met:
                    store.runner.run(call(read))
            except EventStoreError as error:
                met.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        until(lambda: client.info("clients")["blocked_clients"], what="a blocked client")
        client.replicaof("127.0.0.1", other.port)
        waiting.join()
    assert [type(error) for error in met] == [StoreUnreachable]
    assert "is a replica" in str(met[0])


def test_a_destroyed_group_is_made_again_where_its_checkpoint_is(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    with open_store(server, namespace) as store, running(make_settings(server, namespace)):
        [keys] = store.parts.log.partitions
        refs = publish(store, "s", 30)
        until_caught_up(store)
        assert redis_client.xgroup_destroy(keys.stream, "counting")
        assert redis_client.xinfo_groups(keys.stream) == []
        refs += publish(store, "s", 12)
        until_caught_up(store)
        [group] = redis_client.xinfo_groups(keys.stream)
        assert (group["name"], group["last-delivered-id"]) == (b"counting", b"0-42")
        assert (group["entries-read"], group["lag"]) == (42, 0)
        assert_each_once(store, "s", refs)


def test_workers_that_come_and_go_leave_no_consumers_behind(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    with open_store(server, namespace) as store:
        [keys] = store.parts.log.partitions
        for _ in range(5):
            publish(store, "s", 3)
            with running(make_settings(server, namespace)), Listener(store.subscribe(group="g")):
                until_caught_up(store)
                until_caught_up(store, "g")
        groups = redis_client.xinfo_groups(keys.stream)
        assert {group["name"] for group in groups} == {b"counting", b"g"}
        assert [(group["consumers"], group["pending"]) for group in groups] == [(0, 0)] * 2
        assert redis_client.zcard(keys.workers) == 0


def test_a_worker_whose_server_fell_silent_goes_on_when_it_answers_again(
    private_server: Starter, namespace: str
) -> None:
    server = private_server()
    made = make_settings(server, namespace, lease_seconds=0.5)
    shortest = made.redis.model_copy(update={"socket_timeout": 2.0, "connect_timeout": 0.5})
    settings = made.model_copy(update={"redis": shortest})
    with open_store(server, namespace) as store, running(settings) as worker:
        refs = publish(store, "s", 10)
        until_caught_up(store)
        [slot] = worker.slots.values()
        assert slot.status.total_failures == 0
        server.freeze()
        try:
            until(lambda: slot.status.failures, what="a read that was given up")
        finally:
            server.thaw()
        refs += publish(store, "s", 10)
        until_caught_up(store)
        assert_each_once(store, "s", refs)
