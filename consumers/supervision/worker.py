"""Keeping one worker alive beside the server of a home."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from eventstore.embedded import logs
from eventstore.embedded.ending import end_holder
from eventstore.embedded.locks import FileLock
from eventstore.embedded.sockets import socket_path, socket_url
from eventstore.errors import EmbeddedError
from eventstore.settings_sources import EMBEDDED_URL_VARIABLE

if TYPE_CHECKING:
    from eventstore.embedded.home import Home

GRACE = 5.0
_PATIENCE = 0.2
_FIRST_PAUSE = 0.2
_MAX_PAUSE = 30.0
_SOUND_SECONDS = 30.0
# Parts of another server's address: combined with this one's, they would lead astray.
_PARTS = ("HOST", "PORT", "DB", "USERNAME", "PASSWORD")
_FOREIGN = {f"{prefix}{part}" for prefix in ("REDIS_", "EVENTSTORE_REDIS__") for part in _PARTS}

_log = logging.getLogger(__name__)


class WorkerKeeper:
    """The worker of one home: started again after growing pauses however often it ends.

    It inherits worker.lock, by which a later supervisor finds it should this one be killed. It
    is told the server's address and never opens the embedded store, so it does not count as a
    client. Its output goes to the home's worker.log.
    """

    def __init__(self, home: Home, command: tuple[str, ...]) -> None:
        self._home = home
        self._command = command or (sys.executable, "-P", "-m", "consumers", "work")
        self._child: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._failures = 0
        self._not_before = 0.0

    def tick(self, now: float) -> None:
        """Look after the worker once; `now` is the monotonic clock."""
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return
            self._child = None
            if now - self._started >= _SOUND_SECONDS:
                self._failures = 0
            self._fail(f"ended with code {code}", now)
        if now >= self._not_before:
            self._start(now)

    def stop(self) -> None:
        """End the worker: SIGTERM, and SIGKILL for it and its children after 5 s."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(GRACE)
        except subprocess.TimeoutExpired:
            _log.warning("the worker does not end within %g s, killing it", GRACE)
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        self._child = None

    def _start(self, now: float) -> None:
        logs.rotate(self._home.worker_log)
        with FileLock(self._home.worker_lock, inherited=True) as lock:
            if not lock.try_acquire(_PATIENCE):
                self._end_orphan(now)
                return
            try:
                with self._home.worker_log.open("ab") as log:
                    self._child = subprocess.Popen(
                        self._command,
                        env=worker_environment(self._home, os.environ),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                        pass_fds=(lock.fileno(),),
                        preexec_fn=lock.record_pid,
                    )
            except OSError as error:
                self._fail(f"cannot be run: {error}", now)
                return
        self._started = now
        _log.info("started the worker (pid %d)", self._child.pid)

    def _end_orphan(self, now: float) -> None:
        try:
            end_holder(self._home.worker_lock, GRACE)
        except EmbeddedError as error:
            self._fail(str(error), now)
        else:
            _log.info("ended the worker of an earlier supervisor")

    def _fail(self, what: str, now: float) -> None:
        self._failures += 1
        pause = min(_MAX_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._failures, 10))
        self._not_before = now + pause
        _log.warning("the worker: %s; trying again in %.1f s", what, pause)


def worker_environment(home: Home, environment: os._Environ[str]) -> dict[str, str]:
    """Return the environment of a worker: the supervisor's, and the address of this store.

    The address comes before what the configuration file says of another server and its account.
    """
    kept = {name: value for name, value in environment.items() if name not in _FOREIGN}
    url = socket_url(socket_path(home))
    return {
        **kept,
        "REDIS_URL": url,
        EMBEDDED_URL_VARIABLE: url,
        "EVENTSTORE_HOME": str(home.path),
        "EVENTSTORE_STORE__DURABILITY": "fsync",
    }
