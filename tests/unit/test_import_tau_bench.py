"""Recorded tau-bench runs become sessions; a record counts, not the file it lies in."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pytest
from support.recorded import rows_of
from support.tau_data import EIGHT_RUNS, eight_records, records_of, write_runs

from consumers.exporting.chat import chat_messages
from consumers.importing.detect import read_runs
from eventstore.drafts import chunks

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.importing.runs import Run

Record: TypeAlias = dict[str, Any]
Rows: TypeAlias = list[tuple[dict[str, Any], Any]]


class Imported(NamedTuple):
    """A record, the run read from it, and the run's rows in order."""

    record: Record
    run: Run
    rows: Rows

    def of_type(self, type_: str) -> Rows:
        return [row for row in self.rows if row[0]["type"] == type_]


@pytest.fixture(scope="module")
def imported() -> list[Imported]:
    """All that a file of recorded runs becomes."""
    pairs = zip(records_of(EIGHT_RUNS), read_runs(EIGHT_RUNS), strict=True)
    return [Imported(record, run, rows_of(run.drafts(2048))) for record, run in pairs]


def canonical_sha256(record: Record) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def contents(run: Run) -> list[tuple[str, bytes, bytes]]:
    """What decides whether an append is a repetition."""
    return [(item.event.ref, item.digest, item.data) for item in run.drafts(2048)]


def test_a_session_is_named_for_task_trial_and_record(imported: list[Imported]) -> None:
    for index, (record, run, rows) in enumerate(imported):
        task, trial = record["task_id"], record["trial"]
        assert run.session_id == f"tau-bench/{task}/{trial}/{canonical_sha256(record)[:12]}"
        assert (run.group_id, run.index) == (str(task), index)
        for header, _ in rows:
            assert header["session_id"] == run.session_id
            assert (header["group_id"], header["episode_id"]) == (str(task), str(trial))
            assert header["branch_id"] == "main"


def test_every_part_of_a_record_has_its_events(imported: list[Imported]) -> None:
    for case in imported:
        messages = case.record["traj"]
        calls = [call for m in messages for call in m.get("tool_calls") or []]
        results = [m for m in messages if m["role"] == "tool"]
        task, *states = case.of_type("state")
        assert task[1] == case.record["info"]["task"]
        assert task[0]["meta"]["tags"] == ["task"]
        assert [payload for _, payload in states] == [m for m in messages if m["role"] != "tool"]
        assert len(case.of_type("tool_call")) == len(calls)
        assert len(case.of_type("tool_result")) == len(results)
        for name in ("session.opened", "metrics", "evaluation", "session.closed"):
            assert len(case.of_type(name)) == 1


def test_each_result_answers_the_call_before_it(imported: list[Imported]) -> None:
    """In these runs an answer follows its call at once, whatever the ids say."""
    answers = 0
    for case in imported:
        for (before, _), (header, _) in itertools.pairwise(case.rows):
            if header["type"] == "tool_result":
                answers += 1
                assert before["type"] == "tool_call"
                assert header["parent_refs"] == [before["ref"]]
                assert header["tool_call_id"] == before["tool_call_id"]
    assert answers > 0


def test_results_are_json_values_where_they_are_json(imported: list[Imported]) -> None:
    for case in imported:
        texts = [m["content"] for m in case.record["traj"] if m["role"] == "tool"]
        for text, (header, payload) in zip(texts, case.of_type("tool_result"), strict=True):
            try:
                expected, mime = json.loads(text), "application/json"
            except json.JSONDecodeError:
                expected, mime = text, "text/plain"
            assert (payload, header["mime"]) == (expected, mime)
            assert header["status"] == ("error" if text.startswith("Error") else "ok")


def test_scores_are_those_of_judged_runs(imported: list[Imported]) -> None:
    for case in imported:
        [(header, payload)] = case.of_type("evaluation")
        messages = case.of_type("state")[1:] + case.of_type("tool_result")
        last = max(messages, key=lambda row: row[0]["seq"])[0]["ref"]
        assert (header["evaluator_id"], header["target"]) == ("import.tau_bench", last)
        judgement = case.record["info"]["reward_info"]
        if judgement is None:
            assert "score" not in header
            assert (payload["score"], header["status"]) == (None, "unscored")
            assert payload["reason"] == "info.reward_info is null: the run was not judged"
        else:
            assert header["score"] == payload["score"] == case.record["reward"]
            assert header["status"] == "scored"
            parts = {k: v for k, v in judgement["info"].items() if k.startswith("r_")}
            assert header["metrics"] == parts


def test_an_unknown_cost_is_not_zero(imported: list[Imported]) -> None:
    for case in imported:
        [(header, payload)] = case.of_type("metrics")
        cost = case.record["info"]["user_cost"]
        assert payload == {"cost_usd": cost}
        assert header.get("cost_usd") == cost
        assert header["role"] == "user_simulator"


def test_a_session_holds_all_of_its_record(imported: list[Imported]) -> None:
    for case in imported:
        rest = case.of_type("evaluation")[0][1]["record"]
        task = case.of_type("state")[0][1]
        messages = chat_messages(case.rows)
        assert {**rest, "info": {**rest["info"], "task": task}, "traj": messages} == case.record


def test_a_record_fits_one_append_and_no_two_events_share_a_ref(imported: list[Imported]) -> None:
    assert all(len(chunks(case.run.drafts(2048))) == 1 for case in imported)
    refs = [header["ref"] for case in imported for header, _ in case.rows]
    assert len(set(refs)) == len(refs)


def test_the_committed_runs_are_the_ones_that_the_readme_names() -> None:
    runs = read_runs(EIGHT_RUNS)
    judged = [record["info"]["reward_info"] is not None for record in eight_records()]
    assert judged == [False, False] + [True] * 6
    assert [run.group_id for run in runs] == ["33", "2", "39", "8", "13", "15", "38", "39"]
    assert len({run.session_id for run in runs}) == 8


def test_the_same_record_in_another_file_is_the_same_session(tmp_path: Path) -> None:
    first = read_runs(EIGHT_RUNS)
    path = write_runs(tmp_path, *reversed(eight_records()), indent=2, sort_keys=True)
    second = read_runs(path)
    assert [contents(run) for run in reversed(second)] == [contents(run) for run in first]
    assert [run.session_id for run in reversed(second)] == [run.session_id for run in first]


def test_reading_again_gives_the_same_refs_and_contents_later(tmp_path: Path) -> None:
    assert [contents(run) for run in read_runs(EIGHT_RUNS)] == [
        contents(run) for run in read_runs(EIGHT_RUNS)
    ]


def test_lines_of_records_are_the_same_runs(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in eight_records()) + "\n")
    assert [contents(run) for run in read_runs(path)] == [
        contents(run) for run in read_runs(EIGHT_RUNS)
    ]


def test_a_file_without_runs_has_none(tmp_path: Path) -> None:
    assert read_runs(write_runs(tmp_path)) == []
