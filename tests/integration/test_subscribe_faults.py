"""Subscribers when the server is restarted, rolled back or cut off: told, and nothing skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import append_newer, publish
from support.proxy import LossyProxy
from support.stores import make_settings, open_store
from support.subscribing import Listener, positions, take

from eventstore.errors import Diverged, UndecodableEvent
from eventstore.store import AsyncEventStore, EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import redis
    from support.server import PrivateServer

    Starter: TypeAlias = Callable[..., PrivateServer]

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


def test_a_restart_is_waited_for(private_server: Starter, namespace: str) -> None:
    server = private_server(*DURABLE)
    with open_store(server, namespace, 2) as store:
        refs = publish(store, "s", 5)
        with Listener(store.subscribe(group="g")) as listener:
            listener.until_seen(5)
            server.restart()
            refs += publish(store, "s", 5)
            listener.until_seen(10)
            assert listener.refs == refs
            assert all(listener.committed)


def test_a_store_that_is_away_at_the_start_is_waited_for(
    private_server: Starter, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = private_server(*DURABLE)
    with open_store(server, namespace) as store:
        refs = publish(store, "s", 5)
        server.stop()
        with Listener(store.subscribe(group="g")) as listener:
            server.start()
            listener.until_seen(5)
            assert listener.refs == refs


def roll_back(server: PrivateServer) -> None:
    """Start the server again on what it saved last."""
    server.kill()
    server.start()


@pytest.mark.parametrize("later", [0, 20], ids=["nobody appends", "producers have passed it"])
def test_a_rollback_is_told_and_not_passed_over(
    private_server: Starter, namespace: str, later: int
) -> None:
    server = private_server()
    with open_store(server, namespace) as store:
        publish(store, "s", 5)
        with server.client() as client:
            client.save()
        with Listener(store.subscribe(group="g")) as listener:
            publish(store, "s", 5)
            listener.until_seen(10)
            roll_back(server)
            if later:
                # A producer that knows nothing of what was lost.
                with open_store(server, namespace) as other:
                    publish(other, "t", later)
            error = listener.until_ended()
            assert isinstance(error, Diverged)
            assert (error.partition, error.at) == (0, 10)
            assert "events were lost" in str(error)
            assert len(listener.seen) == 10


def test_a_log_that_is_gone_is_told(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    with open_store(server, namespace) as store:
        publish(store, "s", 5)
        with Listener(store.subscribe(group="g")) as listener:
            listener.until_seen(5)
            redis_client.unlink(*redis_client.scan_iter(match=f"{{{namespace}:*", count=1000))
            assert listener.until_ended() is not None


def test_a_checkpoint_of_another_history_is_told(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    with open_store(server, namespace) as store:
        publish(store, "s", 5)
        take(store.subscribe(group="g"), 1)
        [keys] = store.parts.log.partitions
        redis_client.hset(keys.checkpoints, "g", f"1:3:{'f' * 16}")
        with pytest.raises(Diverged) as caught:
            take(store.subscribe(group="g"), 1)
        assert (caught.value.partition, caught.value.at) == (0, 3)


def test_what_cannot_be_read_is_told_and_all_before_it_is_given(
    server: PrivateServer, namespace: str
) -> None:
    with open_store(server, namespace) as store:
        refs = publish(store, "s", 37)
        append_newer(store, "s")
        publish(store, "s", 3)
        with Listener(store.subscribe(group="g")) as listener:
            error = listener.until_ended()
            assert isinstance(error, UndecodableEvent)
            assert "position 38" in str(error)
            assert listener.refs == refs
        assert positions(store, "g") == [37]


@pytest.mark.parametrize("script", ["subscribe", "lease", "heartbeat", "apply"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_lost_reply_neither_loses_an_event_nor_gives_one_twice(
    server: PrivateServer, namespace: str, script: str, nth: int
) -> None:
    settings = make_settings(server, namespace, 2, lease_seconds=0.2)
    with (
        open_store(server, namespace, 2) as store,
        LossyProxy(server.socket_path) as proxy,
        EventStore(proxy.settings(settings)) as cut_off,
    ):
        refs = publish(store, "s", 20)
        proxy.lose_reply(script, nth)
        with Listener(cut_off.subscribe(group="g")) as listener:
            listener.until_seen(20)
            refs += publish(store, "s", 20)
            listener.until_seen(40)
            assert listener.refs == refs
            assert all(listener.committed)
        assert proxy.lost == 1
        assert max(positions(store, "g")) == 40


@pytest.mark.anyio
async def test_what_was_fetched_and_dropped_is_not_missed(
    server: PrivateServer, namespace: str
) -> None:
    settings = make_settings(server, namespace, lease_seconds=0.2)
    with open_store(server, namespace) as store:
        refs = publish(store, "s", 1200)
    given = []
    async with AsyncEventStore(settings) as other, other.subscribe(group="g") as events:
        # As a caller leaves it that is interrupted right after the answer came.
        assert await events._opened().next_chunk() is not None
        async for event in events:
            given.append(event.ref)
            if len(given) == 1200:
                break
    assert given == refs
