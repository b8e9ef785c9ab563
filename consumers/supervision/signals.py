"""Signals of a supervisor: a wait that a request to stop, or the end of a child, cuts short."""

from __future__ import annotations

import select
import signal
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType, TracebackType

_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """Within the context, SIGTERM, SIGINT and SIGHUP set `received` and nothing else.

    A stop signal that was ignored before (nohup) stays ignored. Main thread only.
    """

    def __init__(self) -> None:
        self.received = False
        self._previous: dict[signal.Signals, Any] = {}
        self._previous_fd = -1
        self._wake, self._waker = socket.socketpair()

    def __enter__(self) -> StopSignals:
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        self._previous_fd = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in _STOP:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._on_stop)
        # Only a signal with a handler wakes the wait.
        self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _on_child)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        signal.set_wakeup_fd(self._previous_fd)
        self._wake.close()
        self._waker.close()

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as a signal arrives, one already come included."""
        readable, _, _ = select.select([self._wake], [], [], seconds)
        if readable:
            self._wake.recv(4096)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.received = True


def _on_child(_number: int, _frame: FrameType | None) -> None:
    """Nothing to do: the wait has ended, and the keepers look after their children."""
