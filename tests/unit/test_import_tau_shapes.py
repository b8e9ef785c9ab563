"""Runs of other shapes: what is valid in spirit is taken as it is, what is broken is refused."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import pytest
from support.recorded import rows_of
from support.tau_data import EIGHT_RUNS, eight_records, write_runs

from consumers.importing.detect import read_runs
from eventstore.errors import ImportRefused, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from consumers.importing.runs import Run

PASSED: Final = 4


def rows_by_type(run: Run) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
    for header, payload in rows_of(run.drafts(2048)):
        found.setdefault(header["type"], []).append((header, payload))
    return found


def crashed() -> dict[str, Any]:
    return {
        "task_id": 0,
        "reward": 0.0,
        "info": {"error": "EOF when reading a line", "traceback": "Traceback …"},
        "traj": [],
        "trial": 0,
    }


def test_a_run_that_crashed_is_unscored_and_says_why(tmp_path: Path) -> None:
    [run] = read_runs(write_runs(tmp_path, crashed()))
    found = rows_by_type(run)
    assert set(found) == {"session.opened", "evaluation", "session.closed"}
    [(header, payload)] = found["evaluation"]
    assert payload["reason"] == "the run crashed: EOF when reading a line"
    assert payload["record"]["info"]["traceback"] == "Traceback …"
    assert "score" not in header
    assert header["target"] == found["session.opened"][0][0]["ref"]
    assert found["session.closed"][0][0]["reason"] == payload["reason"]


ACCEPTED: dict[str, Any] = {
    "task_id is text": lambda r: r.update(task_id="airline_12"),
    "trial is text": lambda r: r.update(trial="second"),
    "reward is whole": lambda r: r.update(reward=1),
    "reward is partial": lambda r: r.update(reward=0.93),
    "task is left out": lambda r: r["info"].pop("task"),
    "task is text": lambda r: r["info"].update(task="book a flight"),
    "cost is left out": lambda r: r["info"].pop("user_cost"),
    "more in the record": lambda r: r.update(model="m", seed=2**70, extra={"deep": [[[1]]]}),
    "more in info": lambda r: r["info"].update(total_cost=1.5, usage=None),
    "reward detail is null": lambda r: r["info"]["reward_info"].update(info=None),
    "reward detail is another": lambda r: r["info"]["reward_info"].update(info={"r_other": "x"}),
    "messages of litellm": lambda r: [
        m.update(function_call=None, annotations=[], tool_calls=m.get("tool_calls"))
        for m in r["traj"]
        if m["role"] == "assistant"
    ],
    "no messages": lambda r: r["traj"].clear(),
}


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_run_of_another_shape_is_accepted(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    record = eight_records()[PASSED]
    change(record)
    [run] = read_runs(write_runs(tmp_path, record))
    found = rows_by_type(run)
    [(header, payload)] = found["evaluation"]
    assert header["score"] == record["reward"]
    task = [row[1] for row in found.get("state", []) if row[0]["meta"]["state_cls"] == "Task"]
    assert task == ([record["info"]["task"]] if "task" in record["info"] else [])
    rest = copy.deepcopy(record)
    del rest["traj"]
    rest["info"].pop("task", None)
    assert payload["record"] == rest


UNSCORED: dict[str, Any] = {
    "info.reward_info is null": lambda r: r["info"].update(reward_info=None),
    "info.reward_info is missing": lambda r: r["info"].pop("reward_info"),
    "reward is null": lambda r: r.update(reward=None),
    "the run crashed: boom": lambda r: r["info"].update(error="boom", reward_info=None),
}


@pytest.mark.parametrize("reason", UNSCORED)
def test_a_run_that_was_not_judged_is_unscored(tmp_path: Path, reason: str) -> None:
    record = eight_records()[PASSED]
    UNSCORED[reason](record)
    [run] = read_runs(write_runs(tmp_path, record))
    [(header, payload)] = rows_by_type(run)["evaluation"]
    assert "score" not in header
    assert payload["score"] is None
    assert payload["reason"].startswith(reason)
    assert payload["record"]["reward"] == record["reward"]


REFUSED: dict[str, tuple[Any, str]] = {
    "no task_id": (lambda r: r.pop("task_id"), "task_id: is missing"),
    "no trial": (lambda r: r.pop("trial"), "trial: is missing"),
    "no reward": (lambda r: r.pop("reward"), "reward: is missing"),
    "no info": (lambda r: r.pop("info"), "info: is missing"),
    "no traj": (lambda r: r.pop("traj"), "traj: is missing"),
    "task_id null": (lambda r: r.update(task_id=None), "task_id: is a whole number or text"),
    "task_id float": (lambda r: r.update(task_id=1.5), "task_id: is a whole number or text"),
    "task_id empty": (lambda r: r.update(task_id=""), "task_id: is empty"),
    "task_id long": (lambda r: r.update(task_id="x" * 1010), "task_id: cannot be part"),
    "trial bool": (lambda r: r.update(trial=True), "trial: is a whole number or text, not true"),
    "reward text": (lambda r: r.update(reward="1"), "reward: is a number or null, not text"),
    "reward bool": (lambda r: r.update(reward=True), "reward: is a number or null, not true"),
    "reward huge": (lambda r: r.update(reward=10**400), "reward: is a number beyond any float"),
    "info list": (lambda r: r.update(info=[]), "info: is an object, not a list"),
    "cost text": (lambda r: r["info"].update(user_cost="1"), "info.user_cost: is a number"),
    "reward_info list": (
        lambda r: r["info"].update(reward_info=[1]),
        "info.reward_info: is an object, not a list",
    ),
    "r_actions text": (
        lambda r: r["info"]["reward_info"]["info"].update(r_actions="1"),
        "info.reward_info.info.r_actions: is a number or null, not text",
    ),
    "traj object": (lambda r: r.update(traj={}), "traj: is a list, not an object"),
    "role gone": (lambda r: r["traj"][3].pop("role"), "traj[3].role: is missing"),
    "content number": (lambda r: r["traj"][1].update(content=1), "traj[1].content: is text"),
}


@pytest.mark.parametrize("broken", REFUSED)
def test_a_broken_record_is_refused_at_its_field(tmp_path: Path, broken: str) -> None:
    change, message = REFUSED[broken]
    records = eight_records()
    change(records[PASSED])
    path = write_runs(tmp_path, *records)
    with pytest.raises(ImportRefused) as caught:
        read_runs(path)
    assert str(caught.value).startswith(f"{path}: record {PASSED}, {message}")


@pytest.mark.parametrize("other", [7, None, [], "run", {}])
def test_a_record_that_is_no_run_is_refused(tmp_path: Path, other: Any) -> None:
    with pytest.raises(ImportRefused, match="record 8"):
        read_runs(write_runs(tmp_path, *eight_records(), other))


@pytest.mark.parametrize("other", [7, [], {"messages": 7}, {"task_id": 1}])
def test_a_file_of_another_format_is_refused(tmp_path: Path, other: Any) -> None:
    with pytest.raises(ImportRefused, match=r"record 0: is not of a known format"):
        read_runs(write_runs(tmp_path, other))


def test_a_format_can_be_named(tmp_path: Path) -> None:
    assert len(read_runs(EIGHT_RUNS, "tau-bench")) == 8
    with pytest.raises(ImportRefused, match="record 0, info: is missing"):
        read_runs(write_runs(tmp_path, {"task_id": 1}), "tau-bench")
    with pytest.raises(InvalidInput, match="formats are auto, tau-bench"):
        read_runs(EIGHT_RUNS, "csv")
