"""Calls that may hang, made in daemon threads: each comes back, or fails, within its time.

A call that is given up goes on in its thread, since nothing can end it; it keeps neither its
caller nor the end of the process waiting. So many calls may hang at once, and no more.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
LIMIT: Final = 32
"""Calls that one `BoundedCalls` has under way at once, those that were given up included."""
_IDLE_SECONDS: Final = 10.0


class BoundedCalls:
    """Makes calls that take so many seconds at most. Thread-safe; a forked child begins anew."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._begin()

    def run(self, seconds: float, function: Callable[..., T], *args: Any) -> T:
        """Return or raise what the call does; a `TimeoutError` (ETIMEDOUT) once the time is over.

        The wait for earlier calls counts. A call that was given up may still take effect.
        """
        if self._pid != os.getpid():
            self._begin()
        deadline = time.monotonic() + seconds
        if not self._free.acquire(timeout=seconds):
            problem = f"{self._limit} earlier calls have not come back"
            raise TimeoutError(errno.ETIMEDOUT, problem)
        future: Future[T] = Future()
        _idle.take().give(partial(_perform, future, self._free, function, args))
        try:
            return future.result(max(0.0, deadline - time.monotonic()))
        except FutureTimeout:
            if future.done():
                # The call raised a TimeoutError of its own, or came back just now.
                return future.result()
            problem = f"no answer within {seconds:g} s"
            raise TimeoutError(errno.ETIMEDOUT, problem) from None

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._free = threading.Semaphore(self._limit)


def _perform(
    future: Future[T],
    free: threading.Semaphore,
    function: Callable[..., T],
    args: tuple[Any, ...],
) -> None:
    try:
        future.set_result(function(*args))
    except BaseException as error:  # noqa: BLE001 - the caller raises it
        future.set_exception(error)
    finally:
        free.release()


class _Thread:
    """A daemon thread that does one piece of work after another, and ends after idle seconds."""

    def __init__(self, idle: _Idle) -> None:
        self._idle = idle
        self._given = threading.Semaphore(0)
        self._work: Callable[[], None] | None = None
        threading.Thread(target=self._serve, name="bounded-call", daemon=True).start()

    def give(self, work: Callable[[], None]) -> None:
        """Do this next; the thread must be idle."""
        self._work = work
        self._given.release()

    def _serve(self) -> None:
        while True:
            if not self._given.acquire(timeout=_IDLE_SECONDS) and self._idle.remove(self):
                return
            work, self._work = self._work, None
            if work is not None:
                work()
                del work
                self._idle.threads.append(self)


class _Idle:
    """The threads of this process that have nothing to do, the last one to become so first."""

    def __init__(self) -> None:
        self.threads: deque[_Thread] = deque()

    def take(self) -> _Thread:
        """Return an idle thread, a new one if there is none."""
        try:
            return self.threads.pop()
        except IndexError:
            return _Thread(self)

    def remove(self, thread: _Thread) -> bool:
        """Take a thread out; return False if it has been given work meanwhile."""
        try:
            self.threads.remove(thread)
        except ValueError:
            return False
        return True


_idle: Final = _Idle()
# Threads do not survive a fork.
os.register_at_fork(after_in_child=_idle.__init__)  # type: ignore[misc]
