"""A program's side of the embedded store: find the server of a home, or have it started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventstore.embedded import logs
from eventstore.embedded.deadline import Deadline
from eventstore.embedded.failure import failure_mark, read_failure
from eventstore.embedded.holders import holder_pid
from eventstore.embedded.launcher import spawn_supervisor
from eventstore.embedded.locks import FileLock, is_locked
from eventstore.embedded.options import SupervisorOptions
from eventstore.embedded.sockets import socket_path, socket_url
from eventstore.embedded.use_lock import UseLock
from eventstore.embedded.wire import Answer, ping
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path
    from types import TracebackType

    from eventstore.embedded.home import Home

_PING_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an embedded store is reached, for as long as the client holds it open."""

    socket_path: Path
    payloads: Path

    @property
    def url(self) -> str:
        """The server's URL, as REDIS_URL takes it."""
        return socket_url(self.socket_path)


class EmbeddedStore:
    """One program's use of the store in a home; safe to share between threads.

    The store stays up from the first `ensure` to `release` or the end of the process, however it
    ends. A forked child has its own share from the moment of the fork; it calls `ensure` before
    it connects. `options` take effect if this client is the one to start the supervisor.
    """

    def __init__(self, home: Home, options: SupervisorOptions | None = None) -> None:
        self.home = home
        self.options = options or SupervisorOptions()
        self._use = UseLock(home.use_lock)

    def ensure(self, timeout: float = 20.0) -> Endpoint:
        """Return the endpoint of a server that answers, started if need be.

        To be called at open and again whenever the connection is lost. Waits `timeout` seconds
        at most, then raises `EmbeddedError` saying what lives, what does not answer and what to
        do. Never starts a second server: the kernel's locks say whether one lives.
        """
        deadline = Deadline(timeout)
        opened_here = self._use.acquire(deadline)
        try:
            return self._open(deadline)
        except BaseException:
            if opened_here:
                self._use.release()
            raise

    def release(self) -> None:
        """Leave the store; it ends by itself some time after its last client left."""
        self._use.release()

    def __enter__(self) -> EmbeddedStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _open(self, deadline: Deadline) -> Endpoint:
        old_failure = failure_mark(self.home)
        while True:
            supervised = is_locked(self.home.supervisor_lock)
            path = socket_path(self.home)
            answer = ping(path, max(0.05, min(_PING_TIMEOUT, deadline.remaining)))
            if supervised and answer is Answer.READY:
                return Endpoint(path, self.home.payloads)
            if deadline.passed:
                raise EmbeddedError(self._explain(answer, path, deadline))
            if not supervised:
                self._start_supervisor(deadline, old_failure)
            deadline.pause()

    def _start_supervisor(self, deadline: Deadline, old_failure: tuple[int, int] | None) -> None:
        """Start a supervisor unless one lives; return when one does.

        Raises `EmbeddedError` if one has given up since this client began to wait.
        """
        with FileLock(self.home.start_lock) as start:
            start.acquire(deadline)
            if is_locked(self.home.supervisor_lock):
                return
            self._raise_if_given_up(old_failure)
            process = spawn_supervisor(self.home, self.options)
            while not is_locked(self.home.supervisor_lock):
                if process.poll() is not None:
                    self._raise_unless_another_lives(process, old_failure)
                    return
                if deadline.passed:
                    raise EmbeddedError(
                        f"the supervisor of {self.home.path} was not up within "
                        f"{deadline.seconds:.1f} s; its log {self.home.supervisor_log} ends:\n"
                        f"{logs.tail(self.home.supervisor_log)}"
                    )
                deadline.pause()

    def _raise_unless_another_lives(
        self, process: subprocess.Popen[bytes], old_failure: tuple[int, int] | None
    ) -> None:
        # Exit 0 says that another process is the supervisor, or was a moment ago.
        if process.returncode == 0 or is_locked(self.home.supervisor_lock):
            return
        self._raise_if_given_up(old_failure)
        raise EmbeddedError(
            f"the supervisor of {self.home.path} ended with code {process.returncode}; "
            f"its log {self.home.supervisor_log} ends:\n{logs.tail(self.home.supervisor_log)}"
        )

    def _raise_if_given_up(self, old_failure: tuple[int, int] | None) -> None:
        if failure_mark(self.home) not in (None, old_failure):
            raise EmbeddedError(read_failure(self.home) or "the supervisor gave up")

    def _explain(self, answer: Answer, path: Path, deadline: Deadline) -> str:
        waited = f"after {deadline.seconds:.1f} s"
        if answer is Answer.LOADING:
            return (
                f"the server of {self.home.path} is still loading its data {waited}; "
                "wait, and open the store again"
            )
        if is_locked(self.home.server_lock):
            pid = holder_pid(self.home.server_lock)
            return (
                f"a server of {self.home.path} lives (pid {pid or 'unknown'}: it holds "
                f"{self.home.server_lock}) but does not answer on {path} {waited}; no second one "
                "is started beside it. It may be frozen or belong to another container; "
                "`eventstore down` ends it"
            )
        return (
            f"no server of {self.home.path} answers {waited}; the supervisor's log "
            f"{self.home.supervisor_log} ends:\n{logs.tail(self.home.supervisor_log)}"
        )
