"""The program's stdout and stderr: UTF-8, whoever reads them, and whatever becomes of them.

Every write to stdout, of a command as of the help, goes through one file whose failure is
`OutputFailed`: no library in between takes it for something else. What stderr cannot take is
dropped, since there is nowhere left to say so.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from consumers.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer

_STDIN, _STDOUT, _STDERR = range(3)
_MODES: Final = {_STDIN: os.O_RDONLY, _STDOUT: os.O_RDONLY, _STDERR: os.O_WRONLY}


class OutputFailed(Exception):
    """Stdout takes nothing more; `errno` and `reason` say why, as the system does."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"stdout: {error.strerror}")
        self.errno = error.errno
        self.reason = error.strerror or "cannot be written"


class _Checked(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputFailed(error) from error


class _Dropping(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


@contextmanager
def standard_streams() -> Iterator[None]:
    """Have `sys.stdout` and `sys.stderr` as this module says for the rest of the process.

    At the end of the block stdout is written out. If it takes no more, the process exits: with
    141, silently, if its reader is gone, else with 74 and the reason on stderr.
    """
    for descriptor, mode in _MODES.items():
        _fill(descriptor, mode)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(_STDIN, closefd=False)))
    sys.stdout = _text(_Checked(_STDOUT, "wb", closefd=False))
    sys.stderr = _text(_Dropping(_STDERR, "wb", closefd=False), always_by_line=True)
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OutputFailed as failure:
        # What is still buffered would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
        if failure.errno == errno.EPIPE:
            sys.exit(Exit.PIPE_CLOSED)
        sys.stderr.write(f"eventstore: stdout: {failure.reason}; what was written is not whole\n")
        sys.exit(Exit.OUTPUT)


def _fill(descriptor: int, mode: int) -> None:
    """Keep the number of a closed stream from being given to a file or a connection.

    Stdout cannot be written then, as it could not before.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, mode)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)


def _text(raw: io.FileIO, *, always_by_line: bool = False) -> io.TextIOWrapper:
    """Return a stream of UTF-8 on a file; what is no Unicode text is escaped as JSON would."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=always_by_line or raw.isatty(),
    )
