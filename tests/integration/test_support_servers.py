"""The servers that other tests stand on behave as their docstrings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis.asyncio
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import PrivateServer


def test_the_shared_server_keeps_nothing_on_disk_and_never_evicts(
    redis_client: redis.Redis, namespace: str
) -> None:
    redis_client.set(namespace, b"\xff")
    assert redis_client.get(namespace) == b"\xff"
    assert redis_client.config_get("appendonly") == {"appendonly": "no"}
    assert redis_client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.anyio
async def test_async_client_reaches_the_shared_server(
    async_redis_client: redis.asyncio.Redis, namespace: str
) -> None:
    await async_redis_client.set(namespace, b"1")
    assert await async_redis_client.get(namespace) == b"1"


def test_the_cluster_serves_every_slot_and_refuses_cross_slot_scripts(
    cluster_client: redis.Redis, namespace: str
) -> None:
    cluster_client.set(namespace, b"1")
    with pytest.raises(redis.ResponseError, match="same slot"):
        cluster_client.eval("#!lua\nreturn {redis.call('GET', 'a'), redis.call('GET', 'b')}", 0)


def test_acknowledged_writes_survive_a_kill_with_appendfsync_always(
    private_server: Callable[..., PrivateServer],
) -> None:
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    with server.client() as client:
        client.set("k", b"v")
    server.kill()
    server.start()
    with server.client() as client:
        assert client.get("k") == b"v"


def test_a_frozen_server_is_silent_until_it_is_thawed(
    private_server: Callable[..., PrivateServer],
) -> None:
    server = private_server()
    server.freeze()
    with server.client(timeout=0.2) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    server.thaw()
    with server.client() as client:
        assert client.ping() is True


def test_a_replica_follows_its_primary(private_server: Callable[..., PrivateServer]) -> None:
    primary = private_server(tcp=True)
    replica = private_server("--replicaof", f"127.0.0.1 {primary.port}")
    with primary.client() as writer, replica.client() as reader:
        writer.set("k", b"v")
        until(lambda: reader.get("k") == b"v")
