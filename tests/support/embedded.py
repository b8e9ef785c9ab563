"""A data directory of a test's own, and looks at its processes that bypass the code under test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from support.server import short_dir
from support.wait import until

from eventstore.embedded import EmbeddedStore, down, inspect, open_home
from eventstore.embedded.options import SupervisorOptions

if TYPE_CHECKING:
    from types import TracebackType

    from eventstore.embedded import DownReport, Endpoint, HomeStatus

# A worker that does nothing, and ends on SIGTERM.
IDLE_WORKER = ("sleep", "1000")
# What a server's child calls itself.
_CHILDREN = tuple(
    f"{server}-{work}".encode()
    for server in ("valkey", "redis")
    for work in ("aof-rewrite", "rdb-bgsave")
)


class Sandbox:
    """A home in a short temporary directory; when the context ends, nothing of it lives."""

    def __init__(self, below: str = ".eventstore") -> None:
        self.directory = short_dir()
        (self.directory / below).parent.mkdir(parents=True, exist_ok=True)
        self.home = open_home(self.directory / below)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.home.path.exists():
            for pid in self.server_pids():
                os.kill(pid, signal.SIGCONT)
            down(self.home)
            assert not self.server_pids()
        shutil.rmtree(self.directory)

    def store(
        self,
        *,
        linger: float = 60.0,
        worker: tuple[str, ...] = IDLE_WORKER,
        min_free_bytes: int = 0,
    ) -> EmbeddedStore:
        """Return a client that starts supervisors with these options."""
        return EmbeddedStore(
            self.home,
            SupervisorOptions(linger=linger, worker_command=worker, min_free_bytes=min_free_bytes),
        )

    def status(self) -> HomeStatus:
        """Return what `inspect` says now."""
        return inspect(self.home)

    def supervisor_pid(self) -> int:
        """Return the pid of the supervisor, once there is one."""
        return until(lambda: self.status().supervisor.pid or 0, what="a supervisor")

    def server_pid(self) -> int:
        """Return the pid of the one server that lives, once there is one."""
        (pid,) = until(self.server_pids, what="a server")
        return pid

    def worker_pid(self) -> int:
        """Return the pid of the worker, once there is one."""
        return until(lambda: self.status().worker.pid or 0, what="a worker")

    def server_pids(self) -> list[int]:
        """Return every process that runs a server in this home's data directory, by /proc."""
        return server_pids(self.home.data)

    def wait_until_over(self) -> None:
        """Wait until no process of the home lives."""

        def over() -> bool:
            status = self.status()
            lives = status.supervisor.alive or status.server.alive or status.worker.alive
            return not lives and not self.server_pids()

        until(over, what="the store to end")

    def stop(self) -> DownReport:
        """Stop everything that lives in the home."""
        return down(self.home)

    def remove(self) -> None:
        """Remove the home's directory while it is in use."""
        shutil.rmtree(self.home.path)

    def up(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a supervisor in the foreground of a process of its own."""
        return subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "consumers", "up"),
                *("--home", str(self.home.path)),
                *arguments,
                "--",
                *IDLE_WORKER,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


def connect(endpoint: Endpoint, timeout: float = 5.0) -> redis.Redis:
    """Return a client of an endpoint that never sends anything twice by itself."""
    return redis.Redis.from_url(
        endpoint.url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )


def server_pids(data: Path) -> list[int]:
    """Return the processes that run a Valkey server in a working directory.

    A server's own child, which rewrites its append-only file, is none: it serves nobody.
    """
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _runs_server(entry, data)
    ]


def _runs_server(process: Path, data: Path) -> bool:
    try:
        parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        title = (process / "cmdline").read_bytes()
    except OSError:
        return False
    # The child has its parent's title for a moment, and another parent once its own is killed.
    is_child = _is_of(process.parent / parent, data) or title.startswith(_CHILDREN)
    return _is_of(process, data) and not is_child


def _is_of(process: Path, data: Path) -> bool:
    try:
        program, directory = (process / "exe").readlink(), (process / "cwd").readlink()
    except OSError:
        return False
    return program.name in {"valkey-server", "redis-server"} and directory == data


def kill(pid: int) -> None:
    """End a process with SIGKILL and return when it is gone or a zombie."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_running(pid), what=f"the end of pid {pid}")


def is_running(pid: int) -> bool:
    """Return whether a process lives; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
