"""`import` and `export`: everything or nothing goes in, once, and the source comes back out."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.recorded_runs import check_round_trip, sessions_of
from support.stores import open_store
from support.tau_data import EIGHT_RUNS, eight_records, write_runs
from support.terminal import Terminal

from consumers.importing.load import Loading, check_files

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer


def test_a_file_goes_in_once_and_comes_back_equal(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    with Terminal(server, namespace).working() as terminal:
        check_round_trip(terminal, EIGHT_RUNS, tmp_path)


def test_one_session_is_exported_to_stdout(server: PrivateServer, namespace: str) -> None:
    with Terminal(server, namespace).working() as terminal:
        terminal.run("import", str(EIGHT_RUNS))
        (record,) = (r for r in eight_records() if r["task_id"] == 33)
        (session,) = (name for name in sessions_of(terminal) if name.startswith("tau-bench/33/"))
        assert json.loads(terminal.run("export", session).stdout) == record["traj"]
        assert terminal.run("export", "none", code=1).stderr
        assert terminal.run("export", code=2).stderr
        assert terminal.run("export", session, "--all", code=2).stderr
        assert json.loads(terminal.run("export", "--all", "--branch", "none").stdout) == {}


def test_a_session_without_messages_is_an_empty_list(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    record = {**eight_records()[0], "traj": [], "info": {"error": "boom"}, "reward": 0.0}
    with Terminal(server, namespace).working() as terminal:
        terminal.run("import", str(write_runs(tmp_path, record)))
        (session,) = sessions_of(terminal)
        assert json.loads(terminal.run("export", session).stdout) == []
        assert json.loads(terminal.run("export", "--all").stdout) == {session: []}


def test_what_cannot_be_exported_leaves_the_file_as_it_was(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    out.write_text("before")
    with Terminal(server, namespace).working() as terminal:
        terminal.run("artifact", "publish", "s", "raw", "--as", "bytes")
        assert "bytes" in terminal.run("export", "s", "-o", str(out), code=2).stderr
        nowhere = str(tmp_path / "no" / "folder.json")
        assert nowhere in terminal.run("export", "none-such", "-o", nowhere, code=2).stderr
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'[{"task_id": 1, "traj": [}]', "byte 25"),
        (b"\x80\x02", "byte 0"),
        (b"[" * 100_000, "nested"),
        (b'[{"task_id": 1', "byte"),
        (b"[{}]", "record 0"),
        (
            b'[{"task_id": 1, "trial": 0, "reward": 0, "info": {}, "traj": [7]}]',
            "record 0, traj[0]",
        ),
    ],
    ids=["syntax", "binary", "deep", "truncated", "format", "field"],
)
def test_one_bad_file_keeps_all_files_out(
    server: PrivateServer, namespace: str, tmp_path: Path, content: bytes, where: str
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes(content)
    terminal = Terminal(server, namespace)
    result = terminal.run("import", str(EIGHT_RUNS), str(bad), "--json", code=2)
    error = json.loads(result.stdout)["error"]
    assert error["type"] == "ImportRefused"
    assert str(bad) in error["message"]
    assert where in error["message"]
    assert terminal.json("session", "list") == []


def test_a_file_or_format_that_is_not_there_is_bad_input(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    terminal = Terminal(server, namespace)
    missing = str(tmp_path / "missing.json")
    assert missing in terminal.run("import", missing, code=2).stderr
    assert (
        "nonsense" in terminal.run("import", str(EIGHT_RUNS), "--format", "nonsense", code=2).stderr
    )


def test_runs_that_are_known_in_part_are_completed_and_counted(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    records = eight_records()
    part = write_runs(tmp_path, *records[:3])
    terminal = Terminal(server, namespace)
    first = terminal.json("import", str(part))
    both = terminal.json("import", str(EIGHT_RUNS), str(part))
    assert (both["files"], both["runs"]) == (2, 11)
    total = both["events"] - first["events"]
    assert both["added"] == total - first["events"]
    assert both["known"] == 2 * first["events"]


def test_a_run_in_two_files_is_added_once(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    copy = write_runs(tmp_path, *eight_records())
    terminal = Terminal(server, namespace)
    loaded = terminal.json("import", str(EIGHT_RUNS), str(copy))
    assert loaded["runs"] == 16
    assert loaded["added"] == loaded["known"] == loaded["events"] / 2
    (head,) = terminal.json("log", "verify")
    assert head["position"] == loaded["added"]


@pytest.mark.parametrize("partitions", [1, 4])
def test_imports_at_once_add_every_event_once(
    server: PrivateServer, namespace: str, partitions: int
) -> None:
    with open_store(server, namespace, partitions) as store:
        runs = check_files([EIGHT_RUNS], compress_above=2048)
        seen: list[int] = []
        with ThreadPoolExecutor(4) as pool:
            loadings = [Loading(store, seen.append) for _ in range(4)]
            list(pool.map(lambda loading: loading.load_runs(runs, files=1), loadings))
        events = sum(len(run.drafts) for run in runs)
        loaded = [loading.loaded for loading in loadings]
        assert sum(each.added for each in loaded) == events
        assert sum(each.known for each in loaded) == 3 * events
        assert sum(head.position for head in store.head()) == events
        assert sum(seen) == 4 * events
        for run in runs:
            stored = [recorded.event.ref for recorded in store.read(run.session_id)]
            assert stored == [draft.event.ref for draft in run.drafts]
