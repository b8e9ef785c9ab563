"""Importing again adds nothing, whatever the file, its order or the compression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.stores import open_store
from support.tau_data import EIGHT_RUNS, eight_records, write_runs

from consumers.importing.load import Loading, check_files

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer


def test_a_record_is_imported_once(server: PrivateServer, namespace: str, tmp_path: Path) -> None:
    other_file = write_runs(tmp_path, *reversed(eight_records()), indent=1)
    with open_store(server, namespace) as store:
        first, again, other = Loading(store), Loading(store), Loading(store)
        first.load_runs(check_files([EIGHT_RUNS], compress_above=2048), files=1)
        again.load_runs(check_files([EIGHT_RUNS], compress_above=0), files=1)
        other.load_runs(check_files([other_file], compress_above=2048), files=1)
        log = [event.event for event in store.read_all(0, after=0, limit=1000)]
    assert first.loaded.runs == 8
    assert first.loaded.added == first.loaded.events == len(log)
    for loading in (again, other):
        assert (loading.loaded.added, loading.loaded.known) == (0, len(log))
    assert len({event.ref for event in log}) == len(log)
