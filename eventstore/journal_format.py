"""The journal's files: names of segments, and their lines. `docs/format.md` fixes both.

A line is one entry of the stream as JSON: its position, then its fields in the entry's order,
each as the text that the entry holds. `header` alone is not text; it is base64. So a line and an
entry stand for each other exactly, also for kinds and versions that this code does not know.
"""

from __future__ import annotations

import gzip
import re
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from eventstore.errors import JournalDamaged, UndecodableEvent
from eventstore.keys import entry_id, position_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    Entry: TypeAlias = tuple[bytes, Sequence[bytes]]

JOURNAL_ROOT: Final = "journal"
FIELDS: Final = (
    *("kind", "v", "ref", "session", "agent", "branch", "type", "lane", "idx", "seq", "ts"),
    *("at", "header", "digest", "chain"),
)
_NAMES: Final = tuple(name.encode() for name in FIELDS)
_SEGMENT: Final = re.compile(r"(\d{20})-(\d{20})-([0-9a-f]{16})\.ndjson\.gz")


class Segment(msgspec.Struct, frozen=True, order=True):
    """A file of the journal: its first and last position, and the chain at the last."""

    first: int
    last: int
    chain: str

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"{self.first:020d}-{self.last:020d}-{self.chain}.ndjson.gz"


def partition_folder(store: str, partition: int) -> str:
    """Return the folder of a partition's segments; `store` is the uuid of the store."""
    return f"{JOURNAL_ROOT}/{store}/{partition:d}"


def segment_of(name: str) -> Segment | None:
    """Return the segment that a file's name stands for, None for another file's name."""
    found = _SEGMENT.fullmatch(name)
    return found and Segment(int(found[1]), int(found[2]), found[3])


def field(entry: Entry, name: str) -> str:
    """Return a field of an entry, any but `header`, as text."""
    return entry[1][2 * FIELDS.index(name) + 1].decode()


def encode_segment(entries: Sequence[Entry]) -> tuple[Segment, bytes]:
    """Return the segment of neighbouring entries, and the bytes of its file.

    Raises `UndecodableEvent` for an entry with other fields than the store writes.
    """
    lines = b"".join(encode_line(entry) for entry in entries)
    first, last = position_of(entries[0][0]), position_of(entries[-1][0])
    # Without a time, so that the same events make the same file.
    return Segment(first, last, field(entries[-1], "chain")), gzip.compress(lines, mtime=0)


def decode_segment(segment: Segment, data: bytes, where: str) -> list[Entry]:
    """Return the entries of a segment's file.

    Raises `JournalDamaged`, which names `where`, if the file is not whole or holds other
    positions, or another chain at its end, than its name says.
    """
    try:
        lines = gzip.decompress(data).splitlines()
        entries = [decode_line(line) for line in lines]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise JournalDamaged(where, f"cannot be read ({error!r})") from error
    positions = [position_of(entry[0]) for entry in entries]
    if positions != list(range(segment.first, segment.last + 1)):
        raise JournalDamaged(where, "does not hold the positions that its name says")
    if field(entries[-1], "chain") != segment.chain:
        raise JournalDamaged(where, "does not end in the chain that its name says")
    return entries


def encode_line(entry: Entry) -> bytes:
    """Return an entry as a line, with its newline. Raises `UndecodableEvent` for other fields."""
    values = entry[1]
    if tuple(values[::2]) != _NAMES:
        raise UndecodableEvent(
            f"position {position_of(entry[0])}: the entry has other fields than the store writes"
        )
    texts = {
        name: b64encode(value).decode() if name == "header" else value.decode()
        for name, value in zip(FIELDS, values[1::2], strict=True)
    }
    return msgspec.json.encode({"position": position_of(entry[0]), **texts}) + b"\n"


def decode_line(line: bytes) -> Entry:
    """Return the entry that `encode_line` wrote; raises `ValueError` or `KeyError` for no line."""
    said = msgspec.json.decode(line, type=dict[str, int | str])
    values: list[bytes] = []
    for name, key in zip(FIELDS, _NAMES, strict=True):
        text = str(said[name])
        values += (key, b64decode(text, validate=True) if name == "header" else text.encode())
    return entry_id(int(said["position"])).encode(), values
