"""The journal's files: names of segments, and their lines. `docs/format.md` fixes both.

A line is one entry of the stream as JSON: its position, then its fields in the entry's order,
each as the text that the entry holds. `header` alone is not text; it is base64. So a line and an
entry stand for each other exactly, also for kinds and versions that this code does not know.
"""

from __future__ import annotations

import gzip
import io
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from eventstore.errors import JournalDamaged, UndecodableEvent
from eventstore.gunzip import gunzip
from eventstore.keys import entry_id, position_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    Entry: TypeAlias = tuple[bytes, Sequence[bytes]]

JOURNAL_ROOT: Final = "journal"
MAX_LINE_BYTES: Final = 256 * 1024
"""A line is shorter: a header has 64 KiB at most, names 1 KiB each."""
MAX_SEGMENT_BYTES: Final = 128 * 1024 * 1024
"""What a segment's file expands to at most: its writers put no more than 500 lines in one."""
FIELDS: Final = (
    *("kind", "v", "ref", "session", "agent", "branch", "type", "lane", "idx", "seq", "ts"),
    *("at", "header", "digest", "chain"),
)
_NAMES: Final = tuple(name.encode() for name in FIELDS)
_SEGMENT: Final = re.compile(r"(\d{20})-(\d{20})-([0-9a-f]{16})\.ndjson\.gz")


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    position: int
    kind: str
    v: str
    ref: str
    session: str
    agent: str
    branch: str
    type: str
    lane: str
    idx: str
    seq: str
    ts: str
    at: str
    header: bytes
    digest: str
    chain: str


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
    positions, or another chain at its end, than its name says. No more of it is inflated than
    that many lines may take.
    """
    count = segment.last - segment.first + 1
    most = min(count * MAX_LINE_BYTES, MAX_SEGMENT_BYTES)
    try:
        # One line after the other: a file of nothing but ends of lines is found by its first.
        entries = [decode_line(line) for line in io.BytesIO(gunzip(data, most))]
    except ValueError as error:
        raise JournalDamaged(where, f"cannot be read ({error})") from error
    positions = [position_of(entry[0]) for entry in entries]
    # Counted first: a name may promise more positions than there is memory for.
    whole = 0 < count == len(positions)
    if not whole or positions != list(range(segment.first, segment.last + 1)):
        raise JournalDamaged(where, "does not hold the positions that its name says")
    if field(entries[-1], "chain") != segment.chain:
        raise JournalDamaged(where, "does not end in the chain that its name says")
    return entries


def encode_line(entry: Entry) -> bytes:
    """Return an entry as a line, with its newline.

    Raises `UndecodableEvent` for other fields than the store writes, and longer ones.
    """
    values = entry[1]
    if tuple(values[::2]) != _NAMES:
        raise UndecodableEvent(
            f"position {position_of(entry[0])}: the entry has other fields than the store writes"
        )
    texts = {
        name: b64encode(value).decode() if name == "header" else value.decode()
        for name, value in zip(FIELDS, values[1::2], strict=True)
    }
    line = msgspec.json.encode({"position": position_of(entry[0]), **texts}) + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise UndecodableEvent(
            f"position {position_of(entry[0])}: the entry is longer than the store writes"
        )
    return line


def decode_line(line: bytes) -> Entry:
    """Return the entry that `encode_line` wrote; raises `ValueError` for any other line."""
    said = msgspec.json.decode(line, type=_Line)
    values: list[bytes] = []
    for name, key in zip(FIELDS, _NAMES, strict=True):
        value: str | bytes = getattr(said, name)
        values += (key, value if isinstance(value, bytes) else value.encode())
    return entry_id(said.position).encode(), values
