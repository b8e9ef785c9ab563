"""use.lock as a client holds it: shared, from open to exit, and anew after a fork."""

from __future__ import annotations

import fcntl
import functools
import os
import threading
import weakref
from typing import TYPE_CHECKING

from eventstore.embedded.locks import try_flock
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from pathlib import Path

    from eventstore.embedded.deadline import Deadline

_held: weakref.WeakSet[UseLock] = weakref.WeakSet()


class UseLock:
    """A client's share in use.lock; the supervisor leaves only when nobody has one.

    The file's modification time tells the supervisor of clients that came and went between two
    of its looks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._mutex = threading.Lock()

    @property
    def held(self) -> bool:
        """Whether this process has its share."""
        return self._fd is not None

    def acquire(self, deadline: Deadline) -> bool:
        """Take a share and return True, or return False if this process has it already.

        Raises `EmbeddedError` at the deadline: then a supervisor has been stopping all along.
        """
        if self.held:
            return False
        fd = _open(self.path)
        while not try_flock(fd, fcntl.LOCK_SH):
            if deadline.passed:
                os.close(fd)
                raise EmbeddedError(
                    f"the store in {self.path.parent} has been stopping for "
                    f"{deadline.seconds:.1f} s; `eventstore doctor` shows what it waits for"
                )
            deadline.pause()
        with self._mutex:
            if self._fd is not None:
                os.close(fd)
                return False
            self._fd = fd
            os.utime(fd)
            _held.add(self)
        _open_anew_after_a_fork()
        return True

    def release(self) -> None:
        """Give the share back; does nothing if this process has none."""
        with self._mutex:
            if self._fd is not None:
                os.utime(self._fd)
                # Closed, not unlocked: LOCK_UN would take the lock from every process that
                # shares this open file, such as a child forked by C code.
                os.close(self._fd)
                self._fd = None
                _held.discard(self)

    def _replace(self) -> None:
        """Take a share of this process's own in place of the one inherited by a fork.

        The inherited one is held meanwhile, so the new one is never waited for.
        """
        # A thread that the child does not have may have held the old one.
        self._mutex = threading.Lock()
        if self._fd is None:
            return
        inherited, own = self._fd, _open(self.path)
        fcntl.flock(own, fcntl.LOCK_SH)
        self._fd = own
        os.close(inherited)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@functools.cache
def _open_anew_after_a_fork() -> None:
    os.register_at_fork(after_in_child=_replace_all)


def _replace_all() -> None:
    for lock in list(_held):
        lock._replace()
