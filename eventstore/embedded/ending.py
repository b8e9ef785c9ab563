"""Ending the processes of a home that are not our children."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from eventstore.embedded.deadline import Deadline
from eventstore.embedded.holders import holder_pid
from eventstore.embedded.locks import is_locked
from eventstore.embedded.sockets import socket_path
from eventstore.embedded.wire import shut_down
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from pathlib import Path

    from eventstore.embedded.home import Home

_SHUTDOWN_TIMEOUT = 2.0
_KILL_TIMEOUT = 5.0


def end_server(home: Home, grace: float) -> None:
    """End the server of a home in order, or by SIGKILL after `grace` seconds; return when it has.

    To be called with start.lock held, so that no other server follows. An acknowledged write is
    on disk, so not even SIGKILL loses one. Raises `EmbeddedError` if the server lives on.
    """
    if shut_down(socket_path(home), _SHUTDOWN_TIMEOUT):
        deadline = Deadline(grace)
        while is_locked(home.server_lock) and not deadline.passed:
            deadline.pause()
    end_holder(home.server_lock, grace)


def end_holder(lock: Path, grace: float) -> None:
    """End the process that holds a lock: SIGTERM, and SIGKILL after `grace` seconds.

    Returns when that process no longer holds it, at once if nobody does; another may have taken
    it then. Raises `EmbeddedError` if it holds on, or if nobody can tell who holds it.
    """
    pid = _identify(lock, grace)
    if pid is None:
        return
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_TIMEOUT)):
        _signal(pid, number)
        deadline = Deadline(patience)
        while holder_pid(lock) == pid:
            if deadline.passed:
                break
            deadline.pause()
        else:
            return
    raise EmbeddedError(f"pid {pid} holds {lock} even after SIGKILL; the machine is in trouble")


def _identify(lock: Path, patience: float) -> int | None:
    """Return who holds a lock, or None once nobody does.

    A holder that cannot be told may be a child of a dead one, about to end as well.
    """
    deadline = Deadline(patience)
    while is_locked(lock):
        pid = holder_pid(lock)
        if pid is not None:
            return pid
        if deadline.passed:
            raise EmbeddedError(
                f"{lock} is held by a process that cannot be told, perhaps of another container; "
                "end the store there"
            )
        deadline.pause()
    return None


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
