"""The independent checker's view of what was trimmed: entries in the journal, and their index."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

from support.checker_journal import lines
from support.checker_log import decoded

if TYPE_CHECKING:
    from pathlib import Path

    from support.checker_log import Entry

_RUN = re.compile(r"(\d{20})-(\d{20})-([0-9a-f]{16})\.idx")
_PAGE = 256


def read_trimmed(
    root: Path, uuid: str, partition: int, upto: int, problems: list[str]
) -> list[Entry]:
    """Return the events that left the server, from the journal; what is missing is a problem."""
    held: dict[int, Entry] = {}
    # What is wrong with segments is said where the journal is held against the log.
    for line in lines(root, uuid, partition, []) if upto else ():
        position = line.pop("position")
        if position <= upto:
            held[position] = _entry(partition, position, line)
    missing = set(range(1, upto + 1)) - set(held)
    if missing:
        problems.append(f"partition {partition}: {min(missing)} was trimmed and is in no journal")
    return [held[position] for position in sorted(held)]


def _entry(partition: int, position: int, line: dict[str, Any]) -> Entry:
    fields = {
        name: base64.b64decode(text) if name == "header" else text.encode()
        for name, text in line.items()
    }
    return decoded(partition, f"0-{position}", fields)


def check_index(
    root: Path, uuid: str, entries: list[Entry], upto: int, problems: list[str]
) -> None:
    """Note where the index does not say of the events that were trimmed where they lie."""
    if not upto:
        return
    where = f"index of partition {entries[0].partition}"
    covered: set[int] = set()
    for file in sorted((root / "index" / uuid / str(entries[0].partition)).glob("[!.]*")):
        found = _RUN.fullmatch(file.name)
        if found is None:
            problems.append(f"{where}: {file.name} is no run")
            continue
        first, last = int(found[1]), int(found[2])
        if last > len(entries) or entries[last - 1].chain != found[3]:
            problems.append(f"{where}: {file.name} is of another history")
            continue
        if file.read_bytes() != run_of(entries[first - 1 : last]):
            problems.append(f"{where}: {file.name} does not say what the log does")
        covered |= set(range(first, last + 1))
    if missing := set(range(1, upto + 1)) - covered:
        problems.append(f"{where}: nothing is said of {min(missing)}")


def run_of(entries: list[Entry]) -> bytes:
    """Return the bytes of the index file of some events, as docs/format.md has them."""
    refs = sorted(
        bytes.fromhex(e.ref) + struct.pack(">Q", e.position) + bytes.fromhex(e.digest)
        for e in entries
    )
    sessions = sorted(
        hashlib.sha256(e.session.encode()).digest()[:16] + struct.pack(">QQ", e.seq, e.position)
        for e in entries
    )
    header = b"ESINDEX1"
    for table in (refs, sessions):
        for start in range(0, len(table), _PAGE):
            page = b"".join(table[start : start + _PAGE])
            header += page[:24] + struct.pack(">I", zlib.crc32(page))
    header += _bloom([bytes.fromhex(e.ref) for e in entries])
    return header + struct.pack(">I", zlib.crc32(header)) + b"".join(refs) + b"".join(sessions)


def _bloom(refs: list[bytes]) -> bytes:
    size = -(-len(refs) * 10 // 8)
    number = 0
    for ref in refs:
        one, two = struct.unpack(">QQ", hashlib.sha256(ref).digest()[:16])
        for n in range(7):
            number |= 1 << ((one + n * (two | 1)) % (size * 8))
    return number.to_bytes(size, "little")
