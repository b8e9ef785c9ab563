"""What lives in a home, looked at without changing anything."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventstore.embedded.failure import read_failure
from eventstore.embedded.holders import holder_pid
from eventstore.embedded.locks import is_locked, is_shared
from eventstore.embedded.sockets import socket_path
from eventstore.embedded.wire import Answer, ping, process_id

if TYPE_CHECKING:
    from pathlib import Path

    from eventstore.embedded.home import Home

_PING_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """Whether a process of the home lives; `pid` is None if it does not or cannot be told."""

    alive: bool
    pid: int | None


@dataclass(frozen=True, slots=True)
class HomeStatus:
    """The state of a home at one moment.

    `answer` is what the server says to a PING. `starting` says that start.lock is held.
    `disk_free` is in bytes. `last_error` is why the last supervisor gave up, if it did.
    """

    home: Home
    socket_path: Path
    supervisor: ProcessStatus
    server: ProcessStatus
    worker: ProcessStatus
    answer: Answer
    starting: bool
    in_use: bool
    disk_free: int
    last_error: str | None

    @property
    def orphan_server(self) -> bool:
        """A server lives and no supervisor: a kill -9 left it; a client or `down` picks it up."""
        return self.server.alive and not self.supervisor.alive

    @property
    def orphan_worker(self) -> bool:
        """A worker lives and no supervisor."""
        return self.worker.alive and not self.supervisor.alive

    @property
    def orphan_socket(self) -> bool:
        """A socket is there and no server: a kill -9 left it; the next start replaces it."""
        return not self.server.alive and self.socket_path.exists()


def inspect(home: Home) -> HomeStatus:
    """Look at the processes, the socket and the disk of a home."""
    path = socket_path(home)
    answer = ping(path, _PING_TIMEOUT)
    server = process_status(home.server_lock)
    if server.pid is None and answer is Answer.READY:
        server = ProcessStatus(server.alive, process_id(path, _PING_TIMEOUT))
    return HomeStatus(
        home=home,
        socket_path=path,
        supervisor=process_status(home.supervisor_lock),
        server=server,
        worker=process_status(home.worker_lock),
        answer=answer,
        starting=is_locked(home.start_lock),
        in_use=is_shared(home.use_lock),
        disk_free=shutil.disk_usage(home.path).free,
        last_error=read_failure(home),
    )


def process_status(lock: Path) -> ProcessStatus:
    """Return who holds one of the locks that a process holds for its life."""
    return ProcessStatus(is_locked(lock), holder_pid(lock))
