"""Writing the journal's index: a run for what is about to be trimmed, and runs merged in few.

The index only says again what the journal says, so a run that is written twice, or lost, is no
more than work. Runs are merged until each is more than twice as large as the one behind it, up
to `LARGEST`: a lookup then reads few files, however the log was trimmed, and whatever a trimmer
that was killed has left.
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
    from collections.abc import Iterable, Sequence

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
        for a trim that never was. So are those that say nothing more than others: trimmers that
        are killed leave some each time. Raises as `JournalReader.read` does.
        """
        for run, _ in self._index.runs(partition):
            if run.last > upto and not self._is_of_journal(partition, run):
                self._remove(partition, run)
        runs = [run for run, _ in self._index.runs(partition)]
        self._remove_all(partition, set(runs) - set(Cover(runs).pieces))
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
        self._remove_all(partition, set(runs) - set(pieces))
        for parts in merges(pieces):
            whole, data = reduce(merge_runs, [(run, self._read(partition, run)) for run in parts])
            path = self._index.path(partition, whole)
            with self._payloads.failing("writing", path):
                self._payloads.files.put(path, data)
            self._remove_all(partition, parts)

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

    def _remove_all(self, partition: int, runs: Iterable[Run]) -> None:
        for run in runs:
            self._remove(partition, run)

    def _remove(self, partition: int, run: Run) -> None:
        path = self._index.path(partition, run)
        with self._payloads.failing("removing", path):
            self._payloads.files.delete(path)


def merges(pieces: Iterable[Run]) -> list[list[Run]]:
    """Return which neighbours are to be one run, each of them two or more, from the first on.

    Where none are, each of the pieces is more than twice as large as the one behind it, or too
    large to be merged with it, or there is a gap between the two.
    """
    parts: list[list[Run]] = []
    for run in pieces:
        parts.append([run])
        while len(parts) > 1 and _are_one(parts[-2], parts[-1]):
            later = parts.pop()
            parts[-1] += later
    return [part for part in parts if len(part) > 1]


def _are_one(earlier: Sequence[Run], later: Sequence[Run]) -> bool:
    before, behind = _count(earlier), _count(later)
    return (
        earlier[-1].last + 1 >= later[0].first
        and before <= 2 * behind
        and later[-1].last - earlier[0].first < LARGEST
    )


def _count(parts: Sequence[Run]) -> int:
    return parts[-1].last - parts[0].first + 1
