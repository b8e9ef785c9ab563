"""Segments of a journal that are not, or not wholly, of the history that the log has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore.chain import link
from eventstore.flow import Batch, Call, Flow, as_is, blocking
from eventstore.journal import End
from eventstore.journal_format import field
from eventstore.keys import entry_id, position_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.journal import Journal
    from eventstore.journal_format import Entry, Segment
    from eventstore.keys import Keys

_PAGE: Final = 500


class Stray(NamedTuple):
    """A segment of another history; the first `agreeing` of its entries are the log's as well."""

    segment: Segment
    entries: Sequence[Entry]
    agreeing: int

    @property
    def parts_at(self) -> int:
        """The last position up to which it is the log's history."""
        return self.segment.first + self.agreeing - 1


def find_strays(keys: Keys, log: End, journal: Journal) -> Flow[list[Stray]]:
    """Return the segments that contradict a log, which ends at `log`.

    What goes on where the log ends contradicts nothing; nor does what was trimmed away. Raises
    `JournalDamaged` for a segment that has to be read and cannot be.
    """
    segments: list[Segment] = yield from blocking(journal.segments, keys.partition)
    chains = yield from _chains(keys, [each.last for each in segments])
    found: list[Stray] = []
    at = log
    for segment in segments:
        if segment.last <= log.position:
            if chains.get(segment.last, segment.chain) == segment.chain:
                continue
        elif segment.last == at.position and segment.chain == at.chain:
            continue
        entries: list[Entry] = yield from blocking(journal.read, keys.partition, segment)
        if segment.last > log.position and _goes_on(segment, entries, at):
            at = End(segment.last, segment.chain) if segment.last > at.position else at
            continue
        found.append(Stray(segment, entries, (yield from _agreeing(keys, segment, entries, log))))
    return found


def _goes_on(segment: Segment, entries: Sequence[Entry], at: End) -> bool:
    """Return whether a segment holds the position `at` in its history, or begins behind it."""
    if segment.first <= at.position <= segment.last:
        return field(entries[at.position - segment.first], "chain") == at.chain
    first = entries[0]
    return segment.first == at.position + 1 and link(
        at.chain, field(first, "ref"), field(first, "digest")
    ) == field(first, "chain")


def _agreeing(keys: Keys, segment: Segment, entries: Sequence[Entry], log: End) -> Flow[int]:
    """Return how many entries of a segment, from its first, the log has too."""
    agreeing = 0
    last = min(segment.last, log.position)
    if segment.first > last:
        return 0
    page = yield from _page(keys, segment.first, last)
    held = {position_of(entry[0]): field(entry, "chain") for entry in page}
    for number, entry in enumerate(entries[: last - segment.first + 1], start=1):
        # Equal chains mean equal histories before them, also where the stream was trimmed.
        if held.get(position_of(entry[0])) == field(entry, "chain"):
            agreeing = number
    return agreeing


def _page(keys: Keys, first: int, last: int) -> Flow[list[Entry]]:
    found: list[Entry] = yield Call(
        "XRANGE", (keys.stream,), (entry_id(first), entry_id(last)), as_is, control=True
    )
    return found


def _chains(keys: Keys, positions: Sequence[int]) -> Flow[dict[int, str]]:
    """Return the chain of the log at those positions that its stream holds."""
    found: dict[int, str] = {}
    for start in range(0, len(positions), _PAGE):
        page = positions[start : start + _PAGE]
        replies: list[list[Any]] = yield Batch(
            tuple(
                Call("XRANGE", (keys.stream,), (entry_id(p), entry_id(p)), as_is, control=True)
                for p in page
            )
        )
        for position, reply in zip(page, replies, strict=True):
            if reply:
                found[position] = field(reply[0], "chain")
    return found
