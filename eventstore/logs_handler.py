"""The bridge from `logging` to a log file and a console."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from eventstore.logs_lines import encode

if TYPE_CHECKING:
    from eventstore.logs_console import LogConsole
    from eventstore.logs_files import RotatingFile
    from eventstore.logs_lines import Lines


class LogHandler(logging.Handler):
    """Writes every record to a file, and to a console if there is one.

    A file that cannot be written stops no program: standard error says so once, and the first
    line after it how many were lost.
    """

    def __init__(self, lines: Lines, file: RotatingFile, console: LogConsole | None) -> None:
        super().__init__()
        self._lines = lines
        self._file = file
        self._console = console
        self._lost = 0
        self._complaint = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; a caller finds its lines in the order of its calls."""
        line = self._lines.fields(record)
        if self._console is not None:
            self._console.show(line)
        if self._lost:
            line["lost_before"] = self._lost
        try:
            self._file.write(encode(line))
        except OSError as error:
            self._lost += 1
            self._complain(f"cannot write {self._file.path}: {error.strerror}; lines are lost")
            return
        self._lost, self._complaint = 0, ""
        try:
            self._file.rotate_if_due()
        except OSError as error:
            self._complain(f"cannot rotate {self._file.path}: {error.strerror}; it grows on")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _complain(self, text: str) -> None:
        if text != self._complaint and sys.stderr is not None:
            with suppress(OSError, ValueError):  # nobody reads it, or it is closed
                sys.stderr.write(f"eventstore: {text}\n")
        self._complaint = text
