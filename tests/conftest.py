"""Fixtures shared by all tests: real servers over unix sockets, a namespace per test.

The servers are shared by a session, so a test keeps to keys of its own `namespace` and never
flushes. A test that kills, fills or reconfigures a server starts a `PrivateServer` of its own.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
import redis.asyncio
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, settings
from support.server import PrivateServer, short_dir, start_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import redis as sync_redis

# No deadline: how long one example takes says nothing on a shared machine. Whoever works on the
# project searches anew at each run; what is judged is the same cases each time.
settings.register_profile(
    "unhurried",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("unhurried")


@pytest.fixture(scope="module", autouse=True)
def files_in_memory() -> Iterator[None]:
    """Forget the files of `memory://` after each module: to list one tree, fsspec goes over all."""
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture
def anyio_backend() -> str:
    """redis-py's async client imports asyncio only."""
    return "asyncio"


@pytest.fixture(scope="session")
def server() -> Iterator[PrivateServer]:
    """The session's server: in memory only, not in cluster mode."""
    server = PrivateServer(short_dir())
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
def cluster_server() -> Iterator[PrivateServer]:
    """The session's one-node cluster, started by the first test that asks for it."""
    server = start_cluster(short_dir())
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def private_server() -> Iterator[Callable[..., PrivateServer]]:
    """A factory of started servers of the test's own: `private_server("--appendonly", "yes")`.

    All are killed and removed when the test ends.
    """
    servers: list[PrivateServer] = []

    def start(*extra_args: str, tcp: bool = False) -> PrivateServer:
        server = PrivateServer(short_dir(), *extra_args, tcp=tcp)
        servers.append(server)
        return server.start()

    try:
        yield start
    finally:
        for server in servers:
            server.close()


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses, on any server."""
    return f"t{uuid.uuid4().hex[:16]}"


@pytest.fixture
def redis_client(server: PrivateServer) -> Iterator[sync_redis.Redis]:
    """A client of the session's server, answering bytes."""
    with server.client() as client:
        yield client


@pytest.fixture
def cluster_client(cluster_server: PrivateServer) -> Iterator[sync_redis.Redis]:
    """A client of the session's one-node cluster, answering bytes."""
    with cluster_server.client() as client:
        yield client


@pytest.fixture
async def async_redis_client(server: PrivateServer) -> AsyncIterator[redis.asyncio.Redis]:
    """An async client of the session's server, answering bytes; for tests marked `anyio`."""
    async with redis.asyncio.Redis(
        unix_socket_path=str(server.socket_path), socket_timeout=10, socket_connect_timeout=10
    ) as client:
        yield client
