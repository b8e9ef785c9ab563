"""A log file that is set aside when it is large, also while several processes write to it."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class RotatingFile:
    """Whole lines at the end of a file; one of `max_bytes` or more becomes `<name>.1`.

    The former `.1` becomes `.2` and so on; `keep` of them are kept. The directory and the file
    are made at the first line, and the file again should somebody remove or rename it. Each line
    is one write at the end of the file, so lines of several processes do not mix; one process
    rotates and the others follow. A line that a full disk or a kill cut short is ended before
    the next one. Both methods raise `OSError`, and the next call tries anew. Not for use by two
    threads at once.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._descriptor: int | None = None

    def write(self, line: bytes) -> None:
        """Append a line, which ends in its newline."""
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._open(), rest) :]
        except OSError:
            self.close()
            raise

    def rotate_if_due(self) -> None:
        """Set the file aside if it is large, unless another process does so or has done so.

        The lock is the file's own and ends with the descriptor. Nobody waits for it: who is
        frozen in the middle of a rotation holds up no one's lines. Raises `OSError`.
        """
        descriptor = self._descriptor
        if descriptor is None or os.fstat(descriptor).st_size < self._max_bytes:
            return
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return
        try:
            if self._is_current(descriptor):
                self._rotate()
        finally:
            self.close()

    def close(self) -> None:
        """Close the file; the next `write` opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is not None and not self._is_current(self._descriptor):
            self.close()
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o640)
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                os.write(self._descriptor, b"\n")
        return self._descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(descriptor))

    def _rotate(self) -> None:
        free = next((n for n in range(1, self._keep) if not self._old(n).exists()), self._keep)
        for number in range(free, 1, -1):
            self._old(number - 1).replace(self._old(number))
        self.path.replace(self._old(1))

    def _old(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
