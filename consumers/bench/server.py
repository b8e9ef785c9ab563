"""A private server for one benchmark, in a directory of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import redis
import redis.asyncio as aredis

from eventstore.embedded.binary import find_binary
from eventstore.errors import EmbeddedError
from eventstore.settings import AppSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

PERSISTENCE: Final = {
    "fsync": ("--appendonly", "yes", "--appendfsync", "always"),
    "everysec": ("--appendonly", "yes", "--appendfsync", "everysec"),
    "none": ("--appendonly", "no"),
}
"""What the servers of a benchmark do with a write: sync before they answer, later, or nothing."""
_START_SECONDS: Final = 15.0


class BenchServer(NamedTuple):
    """A running server: how it persists, its socket, and a directory for payload files."""

    persistence: str
    socket: Path
    payloads: Path

    def settings(self, namespace: str) -> AppSettings:
        """Return the settings of a store on this server."""
        return AppSettings(
            mode="test",
            redis={"url": f"unix://{self.socket}"},
            store={"namespace": namespace, "partitions": 1, "durability": self.durability},
            payloads={"url": self.payloads.as_uri()},
        )

    @property
    def durability(self) -> str:
        """The promise that a store on this server can make."""
        return "fsync" if self.persistence == "fsync" else "memory"

    def client(self) -> redis.Redis:
        """Return redis-py's client as it comes."""
        return redis.Redis(unix_socket_path=str(self.socket))

    def async_client(self) -> aredis.Redis:
        """Return redis-py's asyncio client as it comes."""
        return aredis.Redis(unix_socket_path=str(self.socket))


@contextlib.contextmanager
def running_server(persistence: str, below: Path | None = None) -> Iterator[BenchServer]:
    """Start a server in a new directory, below `below` if given; end it and remove both after.

    Raises `EmbeddedError` if there is no server program or it does not start.
    """
    directory = Path(tempfile.mkdtemp(prefix="es-bench-", dir=below))
    server = BenchServer(persistence, directory / "s.sock", directory / "payloads")
    process = subprocess.Popen(
        [
            str(find_binary()),
            *("--port", "0"),
            *("--unixsocket", str(server.socket)),
            *("--dir", str(directory)),
            *("--save", ""),
            *("--maxmemory-policy", "noeviction"),
            *PERSISTENCE[persistence],
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_until_ready(server, process)
        yield server
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory)


def _wait_until_ready(server: BenchServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with server.client() as client:
        while True:
            try:
                client.ping()
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise EmbeddedError(
                        f"the server of the benchmark does not start in {server.socket.parent} "
                        f"({error}); is its path too long for a socket, or the disk full?"
                    ) from error
                time.sleep(0.01)
            else:
                return
