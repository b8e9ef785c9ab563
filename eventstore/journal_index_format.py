"""The journal's index: files that say where a ref, and an event of a session, lies in the journal.

A file, a run, covers a range of positions with two tables of records of 32 bytes, sorted as bytes:

    refs      ref (16), position (8), digest (8)
    sessions  sha256 of the session's name, first half (16), seq (8), position (8)

Both are cut in pages of 256 records. In front of them the header has, for each page, the first 24
bytes of its first record and its CRC-32, so that a lookup reads one page; and a Bloom filter of
the refs, so that nearly every ref that is not there is known to be missing without a read. The
header's length follows from the run's name. `docs/format.md` fixes all of it; numbers are unsigned
and big-endian.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

import msgspec

from eventstore.errors import IndexDamaged
from eventstore.journal_format import field
from eventstore.keys import position_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from eventstore.journal_format import Entry

INDEX_ROOT: Final = "index"
RECORD: Final = 32
PAGE_RECORDS: Final = 256
_MAGIC: Final = b"ESINDEX1"
_KEY: Final = 24
_BLOOM_BITS: Final = 10
_BLOOM_HASHES: Final = 7
_FENCE: Final = struct.Struct(">24sI")
_CRC: Final = struct.Struct(">I")
_PLACE: Final = struct.Struct(">16sQ8s")
_STEP: Final = struct.Struct(">16sQQ")
_RUN: Final = re.compile(r"(\d{20})-(\d{20})-([0-9a-f]{16})\.idx")


class Run(msgspec.Struct, frozen=True, order=True):
    """A file of the index: its first and last position, and the chain at the last."""

    first: int
    last: int
    chain: str

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"{self.first:020d}-{self.last:020d}-{self.chain}.idx"

    @property
    def count(self) -> int:
        """How many events it covers."""
        return self.last - self.first + 1

    @property
    def pages(self) -> int:
        """How many pages each of its tables has."""
        return -(-self.count // PAGE_RECORDS)

    @property
    def bloom_bytes(self) -> int:
        """How long the filter of its refs is."""
        return -(-self.count * _BLOOM_BITS // 8)

    @property
    def header_bytes(self) -> int:
        """How long its header is."""
        return len(_MAGIC) + 2 * self.pages * _FENCE.size + self.bloom_bytes + _CRC.size

    @property
    def bytes(self) -> int:
        """How long the file is."""
        return self.header_bytes + 2 * self.count * RECORD


class Place(msgspec.Struct, frozen=True):
    """Where an event with a known ref lies, and the digest of its content."""

    position: int
    digest: bytes


class Table:
    """One table of a run, as its header describes it: which page holds what."""

    def __init__(self, run: Run, offset: int, fences: bytes) -> None:
        parts = list(_FENCE.iter_unpack(fences))
        self._run = run
        self._offset = offset
        self._keys = [key for key, _ in parts]
        self._sums = [crc for _, crc in parts]

    def pages(self, low: bytes, high: bytes) -> range:
        """Return the pages that may hold records from `low` to `high`, prefixes of records."""
        first = max(0, bisect_right(self._keys, low.ljust(_KEY, b"\0")) - 1)
        return range(first, bisect_right(self._keys, high.ljust(_KEY, b"\xff")))

    def extent(self, pages: range) -> tuple[int, int]:
        """Return where in the file some neighbouring pages begin and end."""
        size = PAGE_RECORDS * RECORD
        end = min(pages.stop * size, self._run.count * RECORD)
        return self._offset + pages.start * size, self._offset + end

    def records(self, pages: range, data: bytes, where: str) -> bytes:
        """Return the records of neighbouring pages, checked. Raises `IndexDamaged`."""
        start, end = self.extent(pages)
        if len(data) != end - start:
            raise IndexDamaged(where, "is cut off")
        size = PAGE_RECORDS * RECORD
        for number, page in enumerate(pages):
            if zlib.crc32(data[number * size : (number + 1) * size]) != self._sums[page]:
                raise IndexDamaged(where, f"page {page} does not have its checksum")
        return data


class Header(msgspec.Struct, frozen=True):
    """What the header of a run says of its tables."""

    refs: Table
    sessions: Table
    bloom: bytes

    def may_hold(self, ref: bytes) -> bool:
        """Return False if no event of the run has this ref; one in a hundred says True wrongly."""
        return all(self.bloom[bit >> 3] >> (bit & 7) & 1 for bit in _bits(ref, len(self.bloom)))


def run_of(name: str) -> Run | None:
    """Return the run that a file's name stands for, None for another file's name."""
    found = _RUN.fullmatch(name)
    return found and Run(int(found[1]), int(found[2]), found[3])


def index_folder(store: str, partition: int) -> str:
    """Return the folder of a partition's index; `store` is the uuid of the store."""
    return f"{INDEX_ROOT}/{store}/{partition:d}"


def encode_run(entries: Sequence[Entry]) -> tuple[Run, bytes]:
    """Return the run of neighbouring entries, and the bytes of its file."""
    places, steps = [], []
    for entry in entries:
        position = position_of(entry[0])
        ref, digest = bytes.fromhex(field(entry, "ref")), bytes.fromhex(field(entry, "digest"))
        places.append(_PLACE.pack(ref, position, digest))
        session = session_key(field(entry, "session"))
        steps.append(_STEP.pack(session, int(field(entry, "seq")), position))
    last = entries[-1]
    run = Run(position_of(entries[0][0]), position_of(last[0]), field(last, "chain"))
    return run, _encode(run, places, steps)


def merge_runs(earlier: tuple[Run, bytes], later: tuple[Run, bytes]) -> tuple[Run, bytes]:
    """Return the run that covers what two neighbours do, each given with the bytes of its file.

    They may overlap, as far as the earlier one ends first. Raises `IndexDamaged` if one of them
    is not whole.
    """
    run = Run(earlier[0].first, later[0].last, later[0].chain)
    before, behind = _decode(*earlier), _decode(*later)
    end = earlier[0].last
    places = [*_records(before[0])]
    places += [each for each in _records(behind[0]) if _PLACE.unpack(each)[1] > end]
    steps = [*_records(before[1])]
    steps += [each for each in _records(behind[1]) if _STEP.unpack(each)[2] > end]
    return run, _encode(run, places, steps)


def decode_header(run: Run, data: bytes, where: str) -> Header:
    """Return what a run's header says. Raises `IndexDamaged`, which names `where`."""
    body, crc = data[: -_CRC.size], data[-_CRC.size :]
    if len(data) != run.header_bytes or _CRC.pack(zlib.crc32(body)) != crc:
        raise IndexDamaged(where, "does not have the checksum of its header")
    if not body.startswith(_MAGIC):
        raise IndexDamaged(where, "is of another version")
    start, size = len(_MAGIC), run.pages * _FENCE.size
    bloom = start + 2 * size
    refs = Table(run, run.header_bytes, body[start : start + size])
    sessions = Table(run, run.header_bytes + run.count * RECORD, body[start + size : bloom])
    return Header(refs, sessions, body[bloom:])


def session_key(session_id: str) -> bytes:
    """Return the 16 bytes that stand for a session in the index."""
    return hashlib.sha256(session_id.encode()).digest()[:16]


def step_bounds(session_id: str, first: int, stop: int) -> tuple[bytes, bytes]:
    """Return the prefixes of records of a session's events from seq `first` up to, not `stop`."""
    key = session_key(session_id)
    return key + first.to_bytes(8, "big"), key + (stop - 1).to_bytes(8, "big")


def find_place(records: bytes, ref: bytes) -> Place | None:
    """Return where a ref lies, None if the records have none of it."""
    count = len(records) // RECORD
    at = bisect_left(range(count), ref, key=lambda i: records[i * RECORD : i * RECORD + len(ref)])
    if at == count or not records.startswith(ref, at * RECORD):
        return None
    _, position, digest = _PLACE.unpack_from(records, at * RECORD)
    return Place(position, digest)


def find_steps(records: bytes, low: bytes, high: bytes) -> Iterator[tuple[int, int]]:
    """Yield seq and position of the records from `low` to `high`, prefixes of records."""
    for record in _records(records):
        if low <= record[: len(low)] and record[: len(high)] <= high:
            _, seq, position = _STEP.unpack(record)
            yield seq, position


def _bits(ref: bytes, size: int) -> list[int]:
    """Return the bits of a filter of `size` bytes that stand for a ref."""
    digest = hashlib.sha256(ref).digest()
    first = int.from_bytes(digest[:8], "big")
    step = int.from_bytes(digest[8:16], "big") | 1
    return [(first + n * step) % (size * 8) for n in range(_BLOOM_HASHES)]


def _records(table: bytes) -> Iterator[bytes]:
    return (table[start : start + RECORD] for start in range(0, len(table), RECORD))


def _encode(run: Run, places: Iterable[bytes], steps: Iterable[bytes]) -> bytes:
    tables = [b"".join(sorted(records)) for records in (places, steps)]
    header = bytearray(_MAGIC)
    size = PAGE_RECORDS * RECORD
    for table in tables:
        for start in range(0, len(table), size):
            page = table[start : start + size]
            header += _FENCE.pack(page[:_KEY], zlib.crc32(page))
    assert len(tables[0]) == run.count * RECORD
    bloom = bytearray(run.bloom_bytes)
    for record in _records(tables[0]):
        for bit in _bits(record[:16], len(bloom)):
            bloom[bit >> 3] |= 1 << (bit & 7)
    header += bloom
    return b"".join((header, _CRC.pack(zlib.crc32(header)), *tables))


def _decode(run: Run, data: bytes) -> tuple[bytes, bytes]:
    """Return the records of both tables of a whole file. Raises `IndexDamaged`."""
    header = decode_header(run, data[: run.header_bytes], run.name)
    if len(data) != run.bytes:
        raise IndexDamaged(run.name, "is not as long as its name says")
    pages = range(run.pages)
    return (
        header.refs.records(pages, data[slice(*header.refs.extent(pages))], run.name),
        header.sessions.records(pages, data[slice(*header.sessions.extent(pages))], run.name),
    )
