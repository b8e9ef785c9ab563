"""Keeping the server of a home alive: start, adopt, restart, and know when to give up."""

from __future__ import annotations

import logging
import signal
import subprocess
from typing import TYPE_CHECKING

from consumers.supervision.mending import make_ready, mend
from eventstore.embedded import logs
from eventstore.embedded.ending import end_server
from eventstore.embedded.holders import holder_pid
from eventstore.embedded.locks import FileLock, is_locked
from eventstore.embedded.server import explain_end, start_server
from eventstore.embedded.sockets import socket_path
from eventstore.embedded.wire import Answer, ping, shut_down
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from eventstore.embedded.home import Home
    from eventstore.embedded.options import SupervisorOptions

_MAX_FAILURES = 5
_FIRST_PAUSE = 0.1
_MAX_PAUSE = 5.0
_SOUND_SECONDS = 30.0
_PING_TIMEOUT = 0.2
_SHUTDOWN_TIMEOUT = 2.0
_GRACE = 10.0
_START_LOCK_PATIENCE = 5.0
# Ends that come from outside and say nothing about the server: an orderly shutdown, a kill.
_FROM_OUTSIDE = frozenset({0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT})

_log = logging.getLogger(__name__)


class ServerKeeper:
    """The server of one home, a child of this process or adopted from a supervisor before it.

    `tick` is called again and again and does what the moment asks for. A server that was killed
    while it served is started again at once, however often. One that fails by itself is started
    again after growing pauses, `_MAX_FAILURES` times in a row; one whose log says that starting
    again is of no use, not at all. Then `tick` raises `EmbeddedError`. Data that does not load
    is moved aside first.
    """

    def __init__(self, home: Home, options: SupervisorOptions) -> None:
        self._home = home
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None
        self._adopted = False
        self._ready_since: float | None = None
        self._failures = 0
        self._not_before = 0.0
        self._log_offset = logs.size(home.server_log)

    @property
    def ready(self) -> bool:
        """Whether the server that lives has answered."""
        return self._ready_since is not None

    def tick(self, now: float) -> None:
        """Look after the server once; `now` is the monotonic clock."""
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                self._look(now)
                return
            self._child = None
            self._judge(code, now)
        elif self._adopted:
            if is_locked(self._home.server_lock):
                self._look(now)
                return
            self._adopted = False
            self._judge(None, now)
        if now >= self._not_before:
            self._start(now)

    def stop(self) -> None:
        """End the server in order and return when it has; raises `EmbeddedError` if it lives on.

        To be called with start.lock held.
        """
        if self._child is not None:
            self._stop_child(self._child)
            self._child = None
        end_server(self._home, _GRACE)

    def _look(self, now: float) -> None:
        if self._ready_since is None:
            answer = ping(socket_path(self._home), _PING_TIMEOUT)
            if answer is Answer.READY:
                self._ready_since = now
                _log.info("the server answers (pid %s)", holder_pid(self._home.server_lock))

    def _start(self, now: float) -> None:
        with FileLock(self._home.start_lock) as start:
            if not start.try_acquire(_START_LOCK_PATIENCE):
                self._fail(f"{self._home.start_lock} is held by another process", now)
                return
            logs.rotate(self._home.server_log)
            self._log_offset = logs.size(self._home.server_log)
            make_ready(self._home)
            self._child = start_server(self._home, self._options)
        if self._child is None:
            self._adopted = True
            _log.info("adopting the live server (pid %s)", holder_pid(self._home.server_lock))

    def _judge(self, code: int | None, now: float) -> None:
        """Decide what the end of the server means; `code` is None for an adopted one."""
        served = 0.0 if self._ready_since is None else now - self._ready_since
        was_ready, self._ready_since = self._ready_since is not None, None
        log = logs.read_from(self._home.server_log, self._log_offset)
        lasting = explain_end(log)
        if lasting is not None:
            if not lasting.is_damage:
                raise EmbeddedError(
                    f"the server of {self._home.path} ended and would again: {lasting}. "
                    f"Full log: {self._home.server_log}"
                )
            mend(self._home, lasting)
            return
        _log.warning("the server ended (code %s) after serving for %.1f s", code, served)
        if served >= _SOUND_SECONDS:
            self._failures = 0
        if code is None or (was_ready and code in _FROM_OUTSIDE):
            self._failures = 0
            return
        last_line = log.splitlines()[-1:] or ["(nothing in its log)"]
        self._fail(f"ended with code {code}; last line of its log: {last_line[0]}", now)

    def _fail(self, what: str, now: float) -> None:
        self._failures += 1
        if self._failures >= _MAX_FAILURES:
            raise EmbeddedError(
                f"the server of {self._home.path} did not come up in {self._failures} attempts: "
                f"{what}. Full log: {self._home.server_log}"
            )
        pause = min(_MAX_PAUSE, _FIRST_PAUSE * 2.0**self._failures)
        self._not_before = now + pause
        _log.warning("the server: %s; trying again in %.1f s", what, pause)

    def _stop_child(self, child: subprocess.Popen[bytes]) -> None:
        # A child is ended by its own handle: it works even if the directory was removed.
        if not shut_down(socket_path(self._home), _SHUTDOWN_TIMEOUT):
            child.terminate()
        try:
            child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            _log.warning("the server does not end, killing it; what it acknowledged is on disk")
            child.kill()
            child.wait()
