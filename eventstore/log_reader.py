"""The log read as one: from the stream what the server holds, from the journal what was trimmed.

Every read of positions goes through here. What the server no longer holds is only ever the
beginning of the stream; a hole further on is damage, and no journal fills it. Where the journal
and the stream meet, their chains are compared. All methods are flows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from eventstore import commands
from eventstore.chain import link
from eventstore.codec import decode_entry
from eventstore.errors import Diverged, Poisoned
from eventstore.flow import Call, Flow, batch, blocking, call
from eventstore.journal import Journal
from eventstore.journal_format import field
from eventstore.journal_index import JournalIndex
from eventstore.journal_reader import JournalReader
from eventstore.keys import position_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from eventstore.codec import Recorded
    from eventstore.journal_format import Entry
    from eventstore.journal_index_format import Place
    from eventstore.keys import Keys
    from eventstore.opening import Opened
    from eventstore.payload_store import PayloadStore

PAGE: Final = 500
# What to do about a hole.
ANEW: Final = "`eventstore repair --keep journal` makes the log anew from its journal"


@dataclass(frozen=True)
class _Archive:
    """What was trimmed of one store: its journal, and the index that says where things lie."""

    store: str
    journal: JournalReader
    index: JournalIndex


class LogReader:
    """Reads of a log by position, ref or session, wherever it lies. Safe to share between threads.

    Reads of what was trimmed raise `PayloadStoreError` if the journal cannot be reached,
    `JournalDamaged` or `IndexDamaged` if it lacks what it must hold, and `Diverged` if it holds
    another history than the stream.
    """

    def __init__(self, payloads: PayloadStore, opened: Callable[[], Flow[Opened]]) -> None:
        self._payloads = payloads
        self._opened = opened
        self._archive: _Archive | None = None
        # By partition: the store, and the first position of its stream that was held against it.
        self._met: dict[int, tuple[str, int]] = {}

    def entries(self, keys: Keys, first: int, last: int | None, limit: int) -> Flow[list[Entry]]:
        """Return raw entries from a position on, up to `last` and at most `limit`.

        None if the log ends before. Fewer than there are where journal and stream meet. Raises
        `Poisoned` if the stream has a hole there.
        """
        page: list[Entry] = yield from call(commands.entries(keys, first, last, limit))
        if page and position_of(page[0][0]) == first:
            return page
        kept: Entry | None = yield from call(commands.first_entry(keys))
        if kept is None or position_of(kept[0]) <= first:
            if page:
                raise _hole(keys, first, page[0])
            return []
        stop = first + limit - 1 if last is None else min(last, first + limit - 1)
        return (yield from self._trimmed(keys, first, stop, kept))

    def events(
        self,
        keys: Keys,
        first: int,
        last: int | None,
        limit: int,
        decode: Callable[[int, Entry], Recorded] = decode_entry,
    ) -> Flow[list[Recorded]]:
        """Return the events that `entries` returns; raises also `UndecodableEvent`."""
        page = yield from self.entries(keys, first, last, limit)
        return [decode(keys.partition, entry) for entry in page]

    def upcoming(
        self,
        keys: Keys,
        position: int,
        limit: int,
        wait_ms: int,
        decode: Callable[[int, Entry], Recorded] = decode_entry,
    ) -> Flow[list[Recorded]]:
        """Return the events after a position, waiting up to `wait_ms` for the first."""
        page = yield from call(commands.entries_after(keys, position, limit, wait_ms))
        if page and position_of(page[0][0]) != position + 1:
            page = yield from self.entries(keys, position + 1, None, limit)
        return [decode(keys.partition, entry) for entry in page]

    def at_positions(self, keys: Keys, positions: Sequence[int]) -> Flow[list[Recorded]]:
        """Return the events at these positions, in the order given; all must be in the log."""
        found: dict[int, Recorded] = {}
        runs = _runs(sorted(set(positions)))
        for start in range(0, len(runs), PAGE):
            page = runs[start : start + PAGE]
            steps = [commands.events(keys, first, last, last - first + 1) for first, last in page]
            for events in (yield from batch(steps)):
                found.update((each.position, each) for each in events)
        for first, last in _runs(sorted(set(positions) - found.keys())):
            at = first
            while at <= last:
                trimmed = yield from self.events(keys, at, last, last - at + 1)
                if not trimmed:
                    raise Poisoned(
                        f"partition {keys.partition}: position {at} is gone from the log; {ANEW}"
                    )
                found.update((each.position, each) for each in trimmed)
                at = trimmed[-1].position + 1
        return [found[position] for position in positions]

    def places(self, keys: Keys, refs: Collection[str], upto: int) -> Flow[dict[str, Place]]:
        """Return where those of some refs lie whose events were trimmed, up to a position."""
        if not upto:
            return {}
        archive = yield from self._past()
        return (yield from blocking(archive.index.places, keys.partition, refs, upto))

    def session_positions(
        self, keys: Keys, session_id: str, first: int, last: int
    ) -> Flow[list[int]]:
        """Return the positions of a session's events from seq `first` to `last`; -1 is the end."""
        kept: list[int]
        look = commands.session_trim(keys, session_id)
        trim = None
        while True:
            gone = trim.count if trim else 0
            start, stop = max(first, gone) - gone, last if last < 0 else last - gone
            if 0 <= last < gone:
                start, stop = 1, 0
            wanted = commands.session_positions(keys, session_id, start, stop)
            # The first events of the list may go at any moment: numbers count from what is left.
            calls: list[Call[Any]] = [wanted, look]
            kept, now = yield from batch(calls)
            if now == trim:
                break
            trim = now
        if trim is None or first >= trim.count:
            return kept
        stop = trim.count if last < 0 else min(trim.count, last + 1)
        archive = yield from self._past()
        place = (keys.partition, session_id, first, stop, trim.position)
        trimmed: list[int] = yield from blocking(archive.index.positions, *place)
        return trimmed if 0 <= last < trim.count else trimmed + kept

    def _trimmed(self, keys: Keys, first: int, last: int, kept: Entry) -> Flow[list[Entry]]:
        """Return entries from the journal, up to `last` or where the stream begins."""
        archive = yield from self._past()
        begins = position_of(kept[0])
        stop = min(last, begins - 1)
        found = yield from blocking(archive.journal.read, keys.partition, first, stop)
        met = (archive.store, begins)
        if self._met.get(keys.partition) != met:
            yield from blocking(_check_meeting, archive.journal, keys, kept)
            self._met[keys.partition] = met
        return found

    def _past(self) -> Flow[_Archive]:
        opened = yield from self._opened()
        archive = self._archive
        if archive is None or archive.store != opened.uuid:
            journal = JournalReader(Journal(self._payloads, opened.uuid))
            archive = _Archive(opened.uuid, journal, JournalIndex(self._payloads, opened.uuid))
            self._archive = archive
        return archive


def _check_meeting(journal: JournalReader, keys: Keys, kept: Entry) -> None:
    """Raise `Diverged` unless the stream's first entry goes on from what the journal holds."""
    begins = position_of(kept[0])
    (before,) = journal.read(keys.partition, begins - 1, begins - 1)
    chain = link(field(before, "chain"), field(kept, "ref"), field(kept, "digest"))
    if chain != field(kept, "chain"):
        raise Diverged(
            f"partition {keys.partition}: the stream begins at position {begins} with the chain "
            f"{field(kept, 'chain')}, the journal leads to {chain} there; they are two histories. "
            "`eventstore repair` shows both, and keeps the one that you choose"
        )


def _hole(keys: Keys, wanted: int, found: Entry) -> Poisoned:
    return Poisoned(
        f"partition {keys.partition}: position {wanted} is gone from the log, the next one kept "
        f"is {position_of(found[0])}, and others before it are there; {ANEW}"
    )


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Return rising positions as ranges of neighbours, none longer than a page."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position == runs[-1][1] + 1 and position - runs[-1][0] < PAGE:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    return runs
