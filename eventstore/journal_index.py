"""Looking refs and sessions up in the journal's index, at a cost that its few files bound.

Whoever trims the log writes the index of what is to be trimmed first, and merges runs until each
is more than twice as large as the one behind it, up to a size (`consumers.trimming.indexing`). A
lookup reads one page of a run that may hold what is looked for; headers, which say so, are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from eventstore.errors import IndexDamaged
from eventstore.journal import check_root
from eventstore.journal_cover import Cover
from eventstore.journal_index_format import (
    Header,
    Place,
    Run,
    Table,
    decode_header,
    find_place,
    find_steps,
    index_folder,
    run_of,
    step_bounds,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from eventstore.payload_store import PayloadStore

T = TypeVar("T")


class _RunGone(Exception):
    """A file of the index was merged into another since it was listed."""


class JournalIndex:
    """The index of one store's journal. Blocks; safe to share between threads.

    All methods raise `PayloadStoreError` as files fail, `IndexDamaged` if a file is not whole or
    positions up to the one asked for are in none.
    """

    def __init__(self, payloads: PayloadStore, store: str) -> None:
        self.store = store
        self._payloads = payloads
        self._covers: dict[int, Cover[Run]] = {}
        self._headers: dict[tuple[int, Run], Header] = {}

    def runs(self, partition: int) -> list[tuple[Run, int]]:
        """List a partition's runs with the bytes of their files, by first position."""
        folder = index_folder(self.store, partition)
        with self._payloads.failing("listing", folder):
            files = list(self._payloads.files.files(folder))
        named = ((run_of(file.path.rpartition("/")[2]), file.size) for file in files)
        return sorted((run, size) for run, size in named if run is not None)

    def path(self, partition: int, run: Run) -> str:
        """Return where a run lies below the root of the payload store."""
        return f"{index_folder(self.store, partition)}/{run.name}"

    def places(self, partition: int, refs: Collection[str], upto: int) -> dict[str, Place]:
        """Return where those of some refs lie that are at positions up to `upto`."""

        def look(run: Run) -> dict[str, Place]:
            return self._places_in(partition, run, refs)

        found: dict[str, Place] = {}
        for places in self._in_runs(partition, upto, look):
            found |= {ref: place for ref, place in places.items() if place.position <= upto}
        return found

    def positions(
        self, partition: int, session_id: str, first: int, stop: int, upto: int
    ) -> list[int]:
        """Return the positions of a session's events from seq `first` up to but not `stop`.

        All of them lie at positions up to `upto`. Raises `IndexDamaged` if one is not known.
        """
        low, high = step_bounds(session_id, first, stop)

        def look(run: Run) -> list[tuple[int, int]]:
            table = self._header(partition, run).sessions
            pages = table.pages(low, high)
            return list(find_steps(self._records(partition, run, table, pages), low, high))

        steps = {seq: p for found in self._in_runs(partition, upto, look) for seq, p in found}
        missing = [seq for seq in range(first, stop) if steps.get(seq, upto + 1) > upto]
        if missing:
            raise IndexDamaged(
                f"the index of partition {partition}",
                f"lacks event {missing[0]} of session {session_id!r}",
            )
        return [steps[seq] for seq in range(first, stop)]

    def _in_runs(self, partition: int, upto: int, look: Callable[[Run], T]) -> list[T]:
        """Return what a look into each run finds that may hold positions up to `upto`."""
        known = self._covers.get(partition)
        if known is not None and known.gap(upto) is None:
            try:
                return [look(run) for run in known.pieces if run.first <= upto]
            except _RunGone:
                pass
        while True:
            runs = self._listed(partition, upto)
            try:
                return [look(run) for run in runs.pieces if run.first <= upto]
            except _RunGone:
                continue

    def _listed(self, partition: int, upto: int) -> Cover[Run]:
        cover = Cover(run for run, _ in self.runs(partition))
        gap = cover.gap(upto)
        if gap is not None:
            check_root(self._payloads, index_folder(self.store, partition))
            raise IndexDamaged(
                f"the index of partition {partition}",
                f"lacks the positions from {gap.first} to {gap.last}",
            )
        self._covers[partition] = cover
        live = {(partition, run) for run in cover.pieces}
        for place in [each for each in self._headers if each[0] == partition]:
            if place not in live:
                self._headers.pop(place, None)
        return cover

    def _places_in(self, partition: int, run: Run, refs: Collection[str]) -> dict[str, Place]:
        header = self._header(partition, run)
        table = header.refs
        by_page: dict[int, list[str]] = {}
        for ref in refs:
            raw = bytes.fromhex(ref)
            if not header.may_hold(raw):
                continue
            for page in table.pages(raw, raw)[-1:]:
                by_page.setdefault(page, []).append(ref)
        found = {}
        for page, asked in sorted(by_page.items()):
            records = self._records(partition, run, table, range(page, page + 1))
            for ref in asked:
                place = find_place(records, bytes.fromhex(ref))
                if place is not None:
                    found[ref] = place
        return found

    def _records(self, partition: int, run: Run, table: Table, pages: range) -> bytes:
        if not pages:
            return b""
        data = self._part(partition, run, *table.extent(pages))
        return table.records(pages, data, self.path(partition, run))

    def _header(self, partition: int, run: Run) -> Header:
        known = self._headers.get((partition, run))
        if known is None:
            data = self._part(partition, run, 0, run.header_bytes)
            known = decode_header(run, data, self.path(partition, run))
            self._headers[partition, run] = known
        return known

    def _part(self, partition: int, run: Run, start: int, end: int) -> bytes:
        path = self.path(partition, run)
        with self._payloads.failing("reading", path):
            try:
                return self._payloads.files.part(path, start, end)
            except FileNotFoundError:
                raise _RunGone from None
