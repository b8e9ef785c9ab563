"""Writing the journal's index: a run for what is about to be trimmed, and runs merged in few.

The index only says again what the journal says, so a run that is written twice, or lost, is no
more than work. Runs are merged until each is more than twice as large as the one behind it, up
to `LARGEST`: a lookup then reads few files, however the log was trimmed.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

from eventstore.errors import Diverged, JournalDamaged
from eventstore.journal_cover import Cover
from eventstore.journal_format import field
from eventstore.journal_index import JournalIndex
from eventstore.journal_index_format import encode_run, merge_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.journal_format import Entry
    from eventstore.journal_index_format import Run
    from eventstore.journal_reader import JournalReader
    from eventstore.payload_store import PayloadStore

LARGEST: Final = 131_072
_STEP: Final = 4_000


class IndexWriter:
    """Writes the index of one store. All methods block; several writers may do so at once."""

    def __init__(self, payloads: PayloadStore, store: str, journal: JournalReader) -> None:
        self._payloads = payloads
        self._index = JournalIndex(payloads, store)
        self._journal = journal

    def complete(self, partition: int, upto: int) -> None:
        """Write what the index lacks of the positions from 1 to `upto`, from the journal.

        Runs of another history than the journal's, behind `upto`, are removed: they were written
        for a trim that never was. Raises as `JournalReader.read` does.
        """
        for run, _ in self._index.runs(partition):
            if run.last > upto and not self._is_of_journal(partition, run):
                self._remove(partition, run)
        while gap := Cover(run for run, _ in self._index.runs(partition)).gap(upto):
            last = min(gap.last, gap.first + _STEP - 1)
            self.add(partition, self._journal.read(partition, gap.first, last))

    def add(self, partition: int, entries: Sequence[Entry]) -> None:
        """Write the run of some neighbouring entries, unless it is there."""
        run, data = encode_run(entries)
        path = self._index.path(partition, run)
        with self._payloads.failing("writing", path):
            if not self._payloads.files.exists(path):
                self._payloads.files.put(path, data)

    def merge(self, partition: int, upto: int) -> None:
        """Merge runs that end up to a position, and remove those that say nothing more."""
        runs = [run for run, _ in self._index.runs(partition) if run.last <= upto]
        pieces = Cover(runs).pieces
        for run in set(runs) - set(pieces):
            self._remove(partition, run)
        tail = _tail(pieces)
        if len(tail) < 2:
            return
        whole, data = reduce(merge_runs, [(run, self._read(partition, run)) for run in tail])
        path = self._index.path(partition, whole)
        with self._payloads.failing("writing", path):
            self._payloads.files.put(path, data)
        for run in tail:
            self._remove(partition, run)

    def _is_of_journal(self, partition: int, run: Run) -> bool:
        try:
            (entry,) = self._journal.read(partition, run.last, run.last)
        except (JournalDamaged, Diverged):
            return False
        return field(entry, "chain") == run.chain

    def _read(self, partition: int, run: Run) -> bytes:
        path = self._index.path(partition, run)
        with self._payloads.failing("reading", path):
            return self._payloads.files.get(path)

    def _remove(self, partition: int, run: Run) -> None:
        path = self._index.path(partition, run)
        with self._payloads.failing("removing", path):
            self._payloads.files.delete(path)


def _tail(pieces: Sequence[Run]) -> list[Run]:
    """Return the last runs that are to be one: neighbours, and not too large together."""
    tail: list[Run] = []
    count = 0
    for run in reversed(pieces):
        joins = not tail or (
            run.last + 1 == tail[0].first
            and run.count <= 2 * count
            and run.count + count <= LARGEST
        )
        if not joins:
            break
        tail.insert(0, run)
        count += run.count
    return tail
