"""The supervisor: one process a home that owns its server and its worker."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from consumers.supervision.door import ClientDoor
from consumers.supervision.server import ServerKeeper
from consumers.supervision.signals import StopSignals
from consumers.supervision.worker import WorkerKeeper
from eventstore.embedded.failure import clear_failure, write_failure
from eventstore.embedded.holders import holder_pid
from eventstore.embedded.locks import FileLock
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from eventstore.embedded.home import Home
    from eventstore.embedded.options import SupervisorOptions

_TICK = 0.1
# A server that starts says nothing when it is ready.
_STARTING_TICK = 0.02
# A look at a lock holds it for an instant; a supervisor holds it for its life.
_PATIENCE = 1.0

_log = logging.getLogger(__name__)


def supervise(home: Home, options: SupervisorOptions) -> int:
    """Keep the server and the worker of a home alive; return the exit code of the process.

    Returns 0 when the last client has been gone for `options.linger` seconds, on SIGTERM, SIGINT
    or SIGHUP (worker first, then the server, data kept), and at once if another supervisor
    lives. Returns 1 if the server cannot be kept up; why is left in `home.supervisor_error`,
    where clients that wait find it. To be called in the main thread.
    """
    # The door opens last: a client that waited at it finds neither a server nor a supervisor.
    with ClientDoor(home, options.linger) as door, FileLock(home.supervisor_lock) as lock:
        if not lock.try_acquire(_PATIENCE):
            pid = holder_pid(home.supervisor_lock)
            _log.warning("%s has a supervisor already (pid %s)", home.path, pid or "unknown")
            return 0
        lock.record_pid()
        clear_failure(home)
        with StopSignals() as signals:
            return _Supervisor(home, options, lock, door, signals).run()


class _Supervisor:
    def __init__(
        self,
        home: Home,
        options: SupervisorOptions,
        lock: FileLock,
        door: ClientDoor,
        signals: StopSignals,
    ) -> None:
        self._home = home
        self._options = options
        self._lock = lock
        self._door = door
        self._signals = signals
        self._server = ServerKeeper(home, options)
        self._worker = WorkerKeeper(home, options.worker_command)

    def run(self) -> int:
        _log.info("supervising %s", self._home.path)
        try:
            self._watch()
        except EmbeddedError as error:
            _log.error("giving up: %s", error)
            self._report(error)
            return 1
        finally:
            self._stop()
        return 0

    def _watch(self) -> None:
        while not self._signals.received:
            if not self._lock.is_current():
                raise EmbeddedError(f"the data directory {self._home.path} was removed")
            now = time.monotonic()
            self._server.tick(now)
            if self._server.ready:
                self._worker.tick(now)
            if self._is_over(now):
                _log.info("the last client left %g s ago", self._options.linger)
                return
            self._signals.wait(_TICK if self._server.ready else _STARTING_TICK)

    def _is_over(self, now: float) -> bool:
        if self._options.stay or self._door.seconds_empty(now) < self._options.linger:
            return False
        return self._door.close(now)

    def _stop(self) -> None:
        _log.info("stopping the worker, then the server")
        self._door.hold_start()
        self._worker.stop()
        try:
            self._server.stop()
        except EmbeddedError as error:
            _log.error("%s", error)
            self._report(error)

    def _report(self, error: EmbeddedError) -> None:
        try:
            write_failure(self._home, str(error))
        except OSError as failure:
            # A full disk or a removed directory; the log has the error in any case.
            _log.error("cannot leave the error for clients: %s", failure)
