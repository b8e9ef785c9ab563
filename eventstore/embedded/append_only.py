"""The append-only file of a server, read without one: how far it is whole, where its logs end.

A directory holds a manifest, the base that it names (a snapshot) and increments behind it, which
are commands as clients send them. A script's commands stand between MULTI and EXEC, so that what
is cut off in between never took effect.
"""

from __future__ import annotations

import mmap
import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from eventstore.keys import Keys

if TYPE_CHECKING:
    from pathlib import Path

DIRECTORY: Final = "appendonlydir"
MANIFEST: Final = "appendonly.aof.manifest"
_FIRST_BASE: Final = "appendonly.aof.1.base.rdb"
_LINE: Final = re.compile(r"file (\S+) seq \d+ type ([bhi])(?: .*)?")
# Of every log's stream, behind the hash tag of its partition.
_LOG: Final = Keys("-", 0).stream.partition("}")[2].encode()
_POSITION: Final = re.compile(rb"0-(\d{1,19})")
_COUNT: Final = re.compile(rb"\*([1-9]\d{0,6})\r\n")
_LENGTH: Final = re.compile(rb"\$(\d{1,10})\r\n")
# The beginning of a count, a length or an annotation.
_BEGUN: Final = re.compile(rb"[*$][0-9]*\r?|#[^\r\n]*\r?")
# No command that is looked into has more arguments, or larger ones.
_LOOKED_AT: Final = 8
_SMALL: Final = 4096


class Part(NamedTuple):
    """A file of an append-only directory; `line` is how its manifest names it."""

    name: str
    is_base: bool
    line: str


class Scan(NamedTuple):
    """An increment, read: whole up to `whole` of `size` bytes.

    `ends` are the last positions of logs, by the key of the stream, also of what stands behind a
    damage: lower bounds there. `is_torn` says that all behind `whole` is the beginning of what was
    not written to its end.
    """

    whole: int
    size: int
    ends: dict[str, int]
    is_torn: bool


def read_manifest(directory: Path) -> tuple[Part, ...] | None:
    """Return the parts that the server would load, in order; None without a readable manifest."""
    try:
        lines = (directory / MANIFEST).read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    found = [_LINE.fullmatch(line) for line in lines if line and not line.startswith("#")]
    if not found or None in found:
        return None
    parts = [Part(each[1], each[2] == "b", each[0]) for each in found if each and each[2] != "h"]
    return tuple(sorted(parts, key=lambda part: not part.is_base))


def write_manifest(directory: Path, parts: tuple[Part, ...]) -> None:
    """Write a manifest of these parts."""
    text = "".join(f"{part.line}\n" for part in parts)
    (directory / MANIFEST).write_text(text, encoding="ascii")


def is_headless(directory: Path) -> bool:
    """Return whether parts are there without their manifest: a server would write over them.

    A first start that was killed leaves an empty increment and the first base, of no keys.
    """
    if (directory / MANIFEST).exists():
        return False
    parts = (path for path in directory.glob("appendonly.aof.*") if path.name != _FIRST_BASE)
    return any(path.stat().st_size for path in parts)


def scan(path: Path) -> Scan:
    """Read an increment to its end, over damages. Raises `OSError` if the file cannot be read."""
    size = path.stat().st_size
    if not size:
        return Scan(0, 0, {}, is_torn=False)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _scan(data, size)


def cut_torn_end(directory: Path) -> int | None:
    """Cut off a last command that was not written to its end; return how many bytes that took.

    It was never acknowledged. None if that is not all that is wrong, or the files cannot be read
    or written; nothing was changed then.
    """
    increments = [
        directory / part.name for part in read_manifest(directory) or () if not part.is_base
    ]
    try:
        found = [scan(path) for path in increments]
        if not found or any(each.whole < each.size for each in found[:-1]):
            return None
        last = found[-1]
        if not last.is_torn:
            return None
        with increments[-1].open("r+b") as file:
            file.truncate(last.whole)
            os.fsync(file.fileno())
    except OSError:
        return None
    return last.size - last.whole


def _scan(data: mmap.mmap, size: int) -> Scan:
    ends, at = _Ends(), 0
    while at < size and (found := _command(data, at)) is not None:
        at = found.end
        ends.take(found)
    whole, is_torn = ends.settled, ends.settled < size
    if at < size and not _is_short(data, at):
        is_torn = False
        ends.settle()
    while at < size:
        found = _command(data, at)
        if found is None:
            ends.lose_track()
            at = _next_start(data, at, size)
        else:
            # What seemed to be the end of the file was a length that is not the one written.
            is_torn = False
            at = found.end
            ends.take(found)
    return Scan(whole, size, ends.found, is_torn)


class _Ends:
    """The ends of logs, as commands that took effect leave them; `settled` is behind the last."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}
        self.settled = 0
        self._open: list[list[bytes]] | None = None

    def take(self, command: _Command) -> None:
        """Take the next command."""
        name = command.arguments[0].upper()
        if name == b"MULTI":
            self.settle()
            self._open = []
        elif name == b"EXEC":
            self.settle()
            self._open = None
            self.settled = command.end
        elif self._open is not None:
            self._open.append(command.arguments)
        else:
            self._note(command.arguments)
            self.settled = command.end

    def settle(self) -> None:
        """Take what an open transaction has so far to have taken effect."""
        for command in self._open or ():
            self._note(command)

    def lose_track(self) -> None:
        """Take a transaction to be open behind a damage, which may have had its beginning."""
        self._open = []

    def _note(self, command: list[bytes]) -> None:
        name = command[0].upper()
        if name == b"XADD" and len(command) > 2 and command[1].endswith(_LOG):
            position = _POSITION.fullmatch(command[2])
            if position is not None:
                key = command[1].decode("ascii", "replace")
                self.found[key] = max(self.found.get(key, 0), int(position[1]))
        elif name in (b"UNLINK", b"DEL"):
            for gone in command[1:]:
                self.found.pop(gone.decode("ascii", "replace"), None)
        elif name in (b"FLUSHALL", b"FLUSHDB"):
            self.found.clear()


class _Command(NamedTuple):
    """A command: where it ends, and its first arguments, the beginnings of large ones."""

    end: int
    arguments: list[bytes]


def _command(data: mmap.mmap, at: int) -> _Command | None:
    """Return the command at `at`; None if none is whole there."""
    while data[at : at + 1] == b"#":
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        at = end + 2
    if at == len(data):
        return _Command(at, [b""])
    count = _COUNT.match(data, at)
    if count is None:
        return None
    at = count.end()
    arguments: list[bytes] = []
    for number in range(int(count[1])):
        length = _LENGTH.match(data, at)
        if length is None:
            return None
        start, at = length.end(), length.end() + int(length[1]) + 2
        if data[at - 2 : at] != b"\r\n":
            return None
        if number < _LOOKED_AT:
            arguments.append(data[start : min(at - 2, start + _SMALL)])
    return _Command(at, arguments)


def _is_short(data: mmap.mmap, at: int) -> bool:
    """Return whether a command at `at` that is not whole only lacks its end."""
    count = _COUNT.match(data, at)
    if count is None:
        return _BEGUN.fullmatch(data, at) is not None
    at = count.end()
    while at < len(data):
        length = _LENGTH.match(data, at)
        if length is None:
            return _BEGUN.fullmatch(data, at) is not None
        at = length.end() + int(length[1]) + 2
        if at <= len(data) and data[at - 2 : at] != b"\r\n":
            return False
    return True


def _next_start(data: mmap.mmap, at: int, size: int) -> int:
    """Return where the next command may begin."""
    found = data.find(b"\r\n*", at)
    return size if found < 0 else found + 2
