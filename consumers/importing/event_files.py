"""Reading files of exported events: line by line, in windows of which every line is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from consumers.event_lines import LINE_START, EventLine, decode_line
from eventstore.errors import ImportRefused, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_LINE_BYTES: Final = 1024 * 1024 * 1024
WINDOW_LINES: Final = 500
WINDOW_BYTES: Final = 4 * 1024 * 1024


class Numbered(NamedTuple):
    """A line of a file; numbers count from 1."""

    number: int
    line: EventLine

    @property
    def session_id(self) -> str:
        return self.line.draft.event.session_id


def is_event_file(path: Path) -> bool:
    """Return whether a file begins as one of exported events does; False if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(LINE_START)) == LINE_START
    except OSError:
        return False


def read_windows(path: Path, most: int = MAX_LINE_BYTES) -> Iterator[list[list[Numbered]]]:
    """Yield the lines of a file, all of a window checked, as runs of lines of one session.

    A window has up to 500 lines and 4 MiB, or one larger line. Raises `ImportRefused` naming the
    first line that is damaged, longer than `most` bytes, or not the next of its session.
    """
    window: list[list[Numbered]] = []
    lines = size = 0
    for number, data in _numbered(path, most):
        try:
            found = Numbered(number, decode_line(data))
        except InvalidInput as error:
            raise ImportRefused(str(path), f"line {number}", str(error)) from error
        if window and (lines == WINDOW_LINES or size + len(data) > WINDOW_BYTES):
            yield window
            window, lines, size = [], 0, 0
        _add(window, found, path)
        lines += 1
        size += len(data)
    if window:
        yield window


def _numbered(path: Path, most: int) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with path.open("rb") as file:
            while data := file.readline(most + 1):
                number += 1
                if len(data) > most:
                    raise ImportRefused(str(path), f"line {number}", f"is over {most:,} bytes")
                if data.strip():
                    yield number, data
    except OSError as error:
        where = f"line {number + 1}" if number else ""
        problem = f"cannot be read: {error.strerror or error}"
        raise ImportRefused(str(path), where, problem) from error


def _add(window: list[list[Numbered]], found: Numbered, path: Path) -> None:
    if not window or window[-1][-1].session_id != found.session_id:
        window.append([found])
        return
    before = window[-1][-1].line.seq
    if found.line.seq != before + 1:
        raise ImportRefused(
            str(path),
            f"line {found.number}",
            f"is event {found.line.seq} of its session, and follows event {before}",
        )
    window[-1].append(found)
