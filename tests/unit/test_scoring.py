"""Which evaluations count as runs."""

from __future__ import annotations

from typing import Any

from eventstore.scoring import UNNAMED, runs_by_evaluator


def row(position: int, **fields: Any) -> dict[str, Any]:
    return {
        "session_id": "s",
        "id": f"id{position}",
        "position": position,
        "evaluator_id": "e",
        "target": f"t{position}",
        "group_id": "g",
        "status": "completed",
        "score": 1.0,
        **fields,
    }


def test_a_run_is_a_target_that_an_evaluator_judged() -> None:
    rows = [row(1), row(2, score=0.0), row(3, evaluator_id="f"), row(4, session_id="other")]
    assert runs_by_evaluator(rows) == {"e": [("g", 1.0), ("g", 1.0), ("g", 0.0)], "f": [("g", 1.0)]}


def test_the_last_verdict_counts_in_whatever_order_they_come() -> None:
    rows = [row(1, target="t", score=0.0), row(9, target="t", score=0.5), row(3, target="t")]
    assert runs_by_evaluator(rows) == {"e": [("g", 0.5)]}
    assert runs_by_evaluator(rows[::-1]) == {"e": [("g", 0.5)]}


def test_the_same_target_name_in_two_sessions_is_two_runs() -> None:
    rows = [row(1, target="t"), row(1, target="t", session_id="other")]
    assert len(runs_by_evaluator(rows)["e"]) == 2


def test_without_a_target_each_evaluation_is_a_run() -> None:
    assert len(runs_by_evaluator([row(1, target=None), row(2, target=None)])["e"]) == 2


def test_unscored_and_failed_are_verdicts_and_open_requests_are_not() -> None:
    rows = [
        row(1, status="unscored", score=None),
        row(2, status="failed", score=None),
        row(3, status="requested", score=None),
        row(4, status="started", score=None),
    ]
    assert runs_by_evaluator(rows) == {"e": [("g", None), ("g", None)]}


def test_groups_are_needed_unless_the_evaluator_is_named() -> None:
    rows = [row(1), row(2, group_id=None), row(3, group_id=None, evaluator_id=None)]
    assert runs_by_evaluator(rows) == {"e": [("g", 1.0)]}
    assert runs_by_evaluator(rows, "e") == {"e": [("g", 1.0), (None, 1.0)]}
    assert runs_by_evaluator(rows, UNNAMED) == {UNNAMED: [(None, 1.0)]}
    assert runs_by_evaluator(rows, "none") == {}
