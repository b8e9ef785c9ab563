"""Ending everything that lives in a home, whatever a kill -9 left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventstore.embedded.deadline import Deadline
from eventstore.embedded.ending import end_holder, end_server
from eventstore.embedded.inspection import inspect, process_status
from eventstore.embedded.locks import FileLock

if TYPE_CHECKING:
    from eventstore.embedded.home import Home
    from eventstore.embedded.inspection import ProcessStatus

# A supervisor gives its worker 5 s and its server 10 s.
_SUPERVISOR_GRACE = 20.0
_SERVER_GRACE = 10.0
_WORKER_GRACE = 5.0


@dataclass(frozen=True, slots=True)
class DownReport:
    """What `down` did, a sentence each; `in_use` says that clients have the store open.

    They start it again as soon as they need it.
    """

    done: tuple[str, ...]
    in_use: bool


def down(home: Home) -> DownReport:
    """Stop the supervisor with its worker and server, and those of a supervisor that was killed.

    Data is kept. Returns when the server's lock is free; if nothing lived, nothing is done.
    Raises `EmbeddedError` if something cannot be ended.
    """
    done = []
    supervisor = process_status(home.supervisor_lock)
    if supervisor.alive:
        end_holder(home.supervisor_lock, _SUPERVISOR_GRACE)
        done.append(f"stopped the supervisor ({_named(supervisor)}), its worker and its server")
    with FileLock(home.start_lock) as start:
        start.acquire(Deadline(_SUPERVISOR_GRACE))
        status = inspect(home)
        if status.orphan_worker:
            end_holder(home.worker_lock, _WORKER_GRACE)
            done.append(f"stopped a worker without a supervisor ({_named(status.worker)})")
        if status.orphan_server:
            end_server(home, _SERVER_GRACE)
            done.append(f"stopped a server without a supervisor ({_named(status.server)})")
    return DownReport(tuple(done), status.in_use)


def _named(status: ProcessStatus) -> str:
    return f"pid {status.pid or 'unknown'}"
