"""The lock files of a home: who lives is what the kernel says, never what a file says.

Each lock is an flock on a file of its own, released by the kernel when the last copy of its
descriptor closes, so a kill -9 releases it too. No lock file is ever removed.

    use.lock         shared by every client process from open to exit
    start.lock       exclusive, while a supervisor is being started, or a server started or stopped
    supervisor.lock  exclusive, held by the supervisor for its life
    server.lock      exclusive, a descriptor that the server inherits and holds for its life
    worker.lock      exclusive, a descriptor that the worker inherits and holds for its life

Why they cannot deadlock. Waiting happens on two of them only, and always in the order use ->
start: a client waits for use.lock (shared) holding nothing, then for start.lock. The supervisor
never waits for use.lock: it *tries* it while it holds start.lock, and lets both go if a client
has it. supervisor.lock, server.lock and worker.lock are taken by trying. A client that holds
start.lock waits for its supervisor to hold supervisor.lock, which needs no other lock. Every wait
has a deadline, so a frozen holder gives an error that names the lock, not a hang.

Why nobody starves. Nobody waits for use.lock exclusively, so there is no queue in which shared
holders could overtake for ever.

Why there is never a second server. A server is started only by a process that holds server.lock,
and inherits that very descriptor: as long as one process of an old server lives, with or without
its socket or its supervisor, nobody can take the lock.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from eventstore.embedded.deadline import Deadline
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class FileLock:
    """An exclusive lock, held from `try_acquire` or `acquire` to `release` or death.

    `release` ends it for every process that shares the descriptor, so a program that forks in one
    thread while another one holds it leaves no child that keeps it. A lock to be `inherited` is
    only closed: the child that it was handed to keeps it.
    """

    def __init__(self, path: Path, *, inherited: bool = False) -> None:
        self.path = path
        self._inherited = inherited
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def try_acquire(self, patience: float = 0.0) -> bool:
        """Take the lock unless another holds it, and return whether it is ours now.

        `is_locked` holds a lock for an instant; `patience` seconds of trying tell that from an
        owner. Must not be called while held.
        """
        if self._fd is not None:
            raise RuntimeError(f"{self.path} is held already")
        deadline = Deadline(patience)
        fd = os.open(self.path, _FLAGS, 0o600)
        while not try_flock(fd, fcntl.LOCK_EX):
            if deadline.passed:
                os.close(fd)
                return False
            deadline.pause()
        self._fd = fd
        return True

    def acquire(self, deadline: Deadline) -> None:
        """Take the lock; raises `EmbeddedError` naming it if another holds it at the deadline."""
        if not self.try_acquire(deadline.remaining):
            raise EmbeddedError(
                f"{self.path} is held by another process, and was for {deadline.seconds:.1f} s: "
                "one that starts or stops this store is stuck; `eventstore doctor` shows which"
            )

    def release(self) -> None:
        """Let go of the lock; does nothing if it is not held."""
        if self._fd is not None:
            if not self._inherited:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            os.close(self._fd)
            self._fd = None

    def fileno(self) -> int:
        """Return the descriptor, for a child process to inherit."""
        if self._fd is None:
            raise RuntimeError(f"{self.path} is not held")
        return self._fd

    def record_pid(self) -> None:
        """Record this process as the holder; the record counts as long as the lock is held.

        A child that inherits the lock does this itself, before its program runs: its parent may
        be killed between the start of the child and any record.
        """
        os.ftruncate(self.fileno(), 0)
        os.pwrite(self.fileno(), str(os.getpid()).encode(), 0)

    def is_current(self) -> bool:
        """Whether the path still names the file that is locked."""
        held = os.fstat(self.fileno())
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(held, found)

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def try_flock(fd: int, mode: int) -> bool:
    """Lock an open file in `mode` (LOCK_EX or LOCK_SH) if that needs no waiting."""
    try:
        fcntl.flock(fd, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Return whether a process holds the exclusive lock of this file.

    Asks with a shared lock, held for an instant, so that those who ask do not see each other.
    """
    return not _could_lock(path, fcntl.LOCK_SH)


def is_shared(path: Path) -> bool:
    """Return whether any process holds this file's lock, shared or not."""
    return not _could_lock(path, fcntl.LOCK_EX)


def _could_lock(path: Path, mode: int) -> bool:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return try_flock(fd, mode)
    finally:
        # Unlocked, not only closed: a thread may have forked a child that has the descriptor too.
        fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)
