"""The journal's index stays few files that know all, however trimmers come and are killed."""

from __future__ import annotations

import contextlib
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st
from support.mortal_files import Killed, MortalFiles

from consumers.trimming.indexing import LARGEST, IndexWriter, merges
from eventstore.chain import GENESIS, link
from eventstore.journal import Journal
from eventstore.journal_cover import Cover
from eventstore.journal_format import FIELDS
from eventstore.journal_index import JournalIndex
from eventstore.journal_index_format import Run
from eventstore.journal_reader import JournalReader
from eventstore.keys import entry_id
from eventstore.payload_store import PayloadStore
from eventstore.refs import derived_ref

if TYPE_CHECKING:
    from collections.abc import Sequence

STORE: Final = "0" * 32
SESSIONS: Final = ("a", "b")
COUNT: Final = 120
STEP: Final = 4_000


def log(count: int) -> list[Any]:
    """Return the entries of a log: two sessions in turns, each ref follows from its position."""
    chain, found = GENESIS, []
    for position in range(1, count + 1):
        ref, digest = derived_ref(str(position)), f"{position:016x}"
        chain = link(chain, ref, digest)
        values = dict.fromkeys(FIELDS, "x") | {
            "ref": ref,
            "session": SESSIONS[position % 2],
            "seq": str(position // 2),
            "digest": digest,
            "chain": chain,
        }
        flat = [part.encode() for pair in values.items() for part in pair]
        found.append((entry_id(position).encode(), flat))
    return found


ENTRIES: Final = log(COUNT)


class Trims:
    """Trims of a log without a server: the index is written first, then events go."""

    def __init__(self) -> None:
        self.payloads = PayloadStore(f"memory://{uuid4().hex}")
        journal = Journal(self.payloads, STORE)
        journal.extend(0, journal.end(0), ENTRIES)
        self.files = MortalFiles(self.payloads.files)
        self.payloads.files = self.files
        self.trimmed = 0

    def trim(self, count: int, changes: int | None = None) -> None:
        """Trim events; the trimmer makes so many changes, and is killed at the next.

        That the events go is one of them; all others are to files.
        """
        # Each is a process of its own.
        writer = IndexWriter(self.payloads, STORE, JournalReader(Journal(self.payloads, STORE)))
        last = min(COUNT - 1, self.trimmed + count)
        self.files.changes = changes
        with contextlib.suppress(Killed):
            writer.complete(0, self.trimmed)
            if last > self.trimmed:
                writer.add(0, ENTRIES[self.trimmed : last])
                self.files.change()
                self.trimmed = last
            writer.merge(0, self.trimmed)
        self.files.changes = None

    def runs(self) -> list[Run]:
        return [run for run, _ in JournalIndex(self.payloads, STORE).runs(0)]

    def assert_known(self) -> None:
        """Assert that every trimmed event is found by its ref and in its session, and no other."""
        index = JournalIndex(self.payloads, STORE)
        refs = [derived_ref(str(position)) for position in range(1, COUNT + 1)]
        places = index.places(0, refs, self.trimmed)
        assert [places[ref].position for ref in refs if ref in places] == [*self.positions()]
        for number, session in enumerate(SESSIONS):
            wanted = [position for position in self.positions() if position % 2 == number]
            if not wanted:
                continue
            first = 1 - number
            assert index.positions(0, session, first, first + len(wanted), self.trimmed) == wanted

    def positions(self) -> range:
        return range(1, self.trimmed + 1)


def fits(runs: Sequence[Run]) -> bool:
    """Return whether no two neighbours are to be merged."""
    return all(
        earlier.count > 2 * later.count or earlier.count + later.count > LARGEST
        for earlier, later in pairwise(runs)
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.one_of(st.none(), st.integers(0, 6))),
        min_size=1,
        max_size=15,
    )
)
def test_whoever_was_killed_the_next_trim_leaves_few_runs_that_know_all(
    steps: list[tuple[int, int | None]],
) -> None:
    trims = Trims()
    for count, changes in steps:
        trims.trim(count, changes)
        trims.assert_known()
    trims.trim(1)
    trims.assert_known()
    # What was written for a trim that never was lies further on, and goes once it is reached.
    assert_few([run for run in trims.runs() if run.last <= trims.trimmed])
    trims.trim(COUNT)
    trims.assert_known()
    assert_few(trims.runs())


def assert_few(runs: list[Run]) -> None:
    assert sorted(Cover(runs).pieces) == runs
    assert fits(runs)
    assert len(runs) <= math.log2(COUNT) + 1


@given(st.lists(st.integers(1, STEP), max_size=300), st.integers(1, 40))
def test_their_number_is_bounded_by_the_rule(sizes: list[int], every: int) -> None:
    runs: list[Run] = []
    at = 0
    for number, size in enumerate(sizes):
        runs.append(Run(at + 1, at + size, f"{at + size:016x}"))
        at += size
        # In between trimmers are killed before they merge.
        if number % every == 0:
            runs = merged(runs)
    runs = merged(runs)
    assert (runs[0].first, runs[-1].last) == (1, at) if runs else not sizes
    assert fits(runs)
    assert len(runs) <= 3 * at / LARGEST + math.log2(LARGEST) + 1


def merged(runs: list[Run]) -> list[Run]:
    parts = merges(runs)
    taken = {run for part in parts for run in part}
    whole = [Run(part[0].first, part[-1].last, part[-1].chain) for part in parts]
    return sorted([*(run for run in runs if run not in taken), *whole])
