"""Reading any positions of the journal: which segments hold them follows from their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from eventstore.chain import link
from eventstore.errors import Diverged, JournalDamaged, PayloadStoreError
from eventstore.journal import two_histories
from eventstore.journal_cover import Cover
from eventstore.journal_format import Segment, field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.journal import Journal
    from eventstore.journal_format import Entry

_KEPT: Final = 4


class _Loaded(NamedTuple):
    partition: int
    segment: Segment
    entries: Sequence[Entry]


class JournalReader:
    """Reads a journal by position. Blocks; safe to share between threads.

    Listings are kept: a segment never changes, so a listing is made anew only for a position
    that it lacks, or if a file of it is gone. So are the last few segments that were read.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._covers: dict[int, Cover[Segment]] = {}
        # Replaced whole, never changed: threads share it without a lock.
        self._recent: tuple[_Loaded, ...] = ()

    def read(self, partition: int, first: int, last: int) -> list[Entry]:
        """Return the entries of a range of positions, both included.

        Raises `JournalDamaged` if the journal lacks some or a segment is not whole, `Diverged`
        if segments disagree, and `PayloadStoreError` as files fail.
        """
        known = self._covers.get(partition)
        if known is not None and known.number(first) is not None:
            try:
                return self._read(known, partition, first, last)
            except (Diverged, JournalDamaged, PayloadStoreError):
                # It has grown since, or a repair has set segments aside.
                self._covers.pop(partition, None)
        cover = self._list(partition)
        self._covers[partition] = cover
        return self._read(cover, partition, first, last)

    def end(self, partition: int, beyond: int) -> int:
        """Return the last position that the journal is known to hold, 0 for none.

        It is listed anew unless it is known to reach beyond a position, as a listing costs the
        more the longer the log is. Raises `Diverged` and `PayloadStoreError`.
        """
        known = self._covers.get(partition)
        if known is None or known.end <= beyond:
            known = self._covers[partition] = self._list(partition)
        return known.end

    def begin_at(self, partition: int, first: int) -> None:
        """Forget the listing of what lies before a position, and all that was read.

        What is read next comes from storage, and what was trimmed long ago takes no memory.
        """
        self._recent = ()
        known = self._covers.get(partition)
        if known is not None:
            # The one before it is kept: it tells whether the next one goes on from there.
            self._covers[partition] = Cover(p for p in known.pieces if p.last >= first - 1)

    def _list(self, partition: int) -> Cover[Segment]:
        segments = self._journal.segments(partition)
        chains: dict[int, str] = {}
        for segment in segments:
            if chains.setdefault(segment.last, segment.chain) != segment.chain:
                raise two_histories(partition, segment.last)
        return Cover(segments)

    def _read(self, cover: Cover[Segment], partition: int, first: int, last: int) -> list[Entry]:
        found: list[Entry] = []
        while first <= last:
            number = cover.number(first)
            if number is None:
                self._journal.check_reachable(partition)
                raise JournalDamaged(
                    f"the journal of partition {partition}",
                    f"has nothing for position {first}, which the server no longer holds",
                )
            segment = cover.pieces[number]
            entries = self._load(partition, segment)
            if number:
                _check_joint(partition, cover.pieces[number - 1], segment, entries)
            found += entries[first - segment.first : last - segment.first + 1]
            first = segment.last + 1
        return found

    def _load(self, partition: int, segment: Segment) -> Sequence[Entry]:
        for each in self._recent:
            if (each.partition, each.segment) == (partition, segment):
                return each.entries
        loaded = _Loaded(partition, segment, self._journal.read(partition, segment))
        self._recent = (loaded, *self._recent[: _KEPT - 1])
        return loaded.entries


def _check_joint(
    partition: int, before: Segment, segment: Segment, entries: Sequence[Entry]
) -> None:
    """Check that a segment goes on from the one before it, or agrees with its end."""
    at = before.last - segment.first
    if at >= 0:
        agrees = field(entries[at], "chain") == before.chain
    elif at == -1:
        first = entries[0]
        linked = link(before.chain, field(first, "ref"), field(first, "digest"))
        agrees = linked == field(first, "chain")
    else:
        agrees = True
    if not agrees:
        raise two_histories(partition, max(before.last, segment.first))
