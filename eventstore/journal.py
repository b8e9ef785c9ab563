"""The journal: the log again, in files beside the payloads, so that it outlives the server.

A segment is written whole and durably, and never changed. Several writers may leave segments
that overlap; a reader merges them by position, and they must agree: two chains at one position
are two histories.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from eventstore.chain import GENESIS, link
from eventstore.errors import Diverged, JournalDamaged
from eventstore.journal_format import (
    Segment,
    decode_segment,
    encode_segment,
    field,
    partition_folder,
    segment_of,
)
from eventstore.keys import position_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventstore.journal_format import Entry
    from eventstore.payload_store import PayloadStore


class End(NamedTuple):
    """A position and the chain there."""

    position: int
    chain: str


class Extent(NamedTuple):
    """How much of a partition the journal holds: files, their bytes as kept, and its end."""

    segments: int
    bytes: int
    end: End


START = End(0, GENESIS)


def check_root(payloads: PayloadStore, folder: str) -> None:
    """Raise `PayloadStoreError` if the place of the payloads, which has a folder, is not there."""
    with payloads.failing("reading", folder):
        if not payloads.files.has_root():
            raise FileNotFoundError(errno.ENOENT, "the place of the payload store is not there")


class Journal:
    """The journal of one store. All methods block; they raise `PayloadStoreError` as files fail."""

    def __init__(self, payloads: PayloadStore, store: str) -> None:
        self.store = store
        self._payloads = payloads

    def segments(self, partition: int) -> list[Segment]:
        """List a partition's segments, by their first position. Other files are left out."""
        return sorted(segment for segment, _ in self._listed(partition))

    def extent(self, partition: int) -> Extent:
        """Return how much of a partition there is; raises as `end` does."""
        listed = self._listed(partition)
        size = sum(size for _, size in listed)
        return Extent(len(listed), size, _end(partition, [segment for segment, _ in listed]))

    def end(self, partition: int) -> End:
        """Return where a partition's journal ends, `START` if it has none.

        Raises `Diverged` if it ends in two histories.
        """
        return _end(partition, self.segments(partition))

    def chain_at(self, partition: int, position: int) -> str | None:
        """Return the chain at a position, None if no segment holds it."""
        for segment in self.segments(partition):
            if segment.last == position:
                return segment.chain
            if segment.first <= position < segment.last:
                entries = self.read(partition, segment)
                return field(entries[position - segment.first], "chain")
        return None

    def read(self, partition: int, segment: Segment) -> list[Entry]:
        """Return a segment's entries. Raises `JournalDamaged`."""
        path = self._path(partition, segment)
        with self._payloads.failing("reading", path):
            data = self._payloads.files.get(path)
        return decode_segment(segment, data, path)

    def entries(self, partition: int, after: End = START) -> Iterator[Entry]:
        """Read a partition's entries behind a position, in order; segments are merged.

        Every segment that reaches behind `after` is read. Raises `Diverged` where two disagree
        or the first does not go on from `after`, `JournalDamaged` for a gap.
        """
        at, seen = after, deque[End]([after])
        for segment in self.segments(partition):
            while seen and seen[0].position < segment.first - 1:
                seen.popleft()
            if segment.last < after.position:
                continue
            known = dict(seen)
            for entry in self.read(partition, segment):
                found = End(position_of(entry[0]), field(entry, "chain"))
                if found.position <= at.position:
                    if known.get(found.position, found.chain) != found.chain:
                        raise two_histories(partition, found.position)
                    continue
                _check_continues(partition, at, entry)
                yield entry
                at = found
                seen.append(at)

    def extend(self, partition: int, end: End, entries: Sequence[Entry]) -> End:
        """Write the entries behind the journal's end as a segment; return the new end.

        A file that is there is left alone: its name says what is in it. Raises `Diverged`, and
        writes nothing, if the entries are of another history.
        """
        _check_continues(partition, end, entries[0])
        segment, data = encode_segment(entries)
        path = self._path(partition, segment)
        with self._payloads.failing("writing", path):
            if not self._payloads.files.exists(path):
                self._payloads.files.put(path, data)
        return End(segment.last, segment.chain)

    def replace(self, partition: int, segment: Segment, shared: Sequence[Entry]) -> None:
        """Put the first entries of a segment in its place, none if there are none.

        For a repair alone, which has kept the others elsewhere.
        """
        if shared:
            shorter, data = encode_segment(shared)
            path = self._path(partition, shorter)
            with self._payloads.failing("writing", path):
                self._payloads.files.put(path, data)
        path = self._path(partition, segment)
        with self._payloads.failing("deleting", path):
            self._payloads.files.delete(path)

    def check_reachable(self, partition: int) -> None:
        """Raise `PayloadStoreError` if the place that holds the journal is not there."""
        check_root(self._payloads, partition_folder(self.store, partition))

    def _listed(self, partition: int) -> list[tuple[Segment, int]]:
        folder = partition_folder(self.store, partition)
        with self._payloads.failing("listing", folder):
            files = list(self._payloads.files.files(folder))
        named = ((segment_of(file.path.rpartition("/")[2]), file.size) for file in files)
        return [(segment, size) for segment, size in named if segment is not None]

    def _path(self, partition: int, segment: Segment) -> str:
        return f"{partition_folder(self.store, partition)}/{segment.name}"


def _end(partition: int, segments: Sequence[Segment]) -> End:
    last = max((segment.last for segment in segments), default=0)
    chains = {segment.chain for segment in segments if segment.last == last}
    if len(chains) > 1:
        raise two_histories(partition, last)
    return End(last, chains.pop()) if chains else START


def _check_continues(partition: int, end: End, entry: Entry) -> None:
    position = position_of(entry[0])
    if position != end.position + 1:
        raise JournalDamaged(
            f"the journal of partition {partition}",
            f"has nothing for the positions from {end.position + 1} to {position - 1}",
        )
    if link(end.chain, field(entry, "ref"), field(entry, "digest")) != field(entry, "chain"):
        raise two_histories(partition, position)


def two_histories(partition: int, position: int) -> Diverged:
    """Return the error for a journal with two chains at one position."""
    return Diverged(
        f"the journal of partition {partition} holds another history at position {position}; "
        "`eventstore repair` shows both, and keeps the one that you choose"
    )
