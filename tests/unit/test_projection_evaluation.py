"""Evaluations: states, scores by branch, and a leaderboard on which unscored is not zero."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from support.folding import KEYS, fold, members, rows
from support.recording import Recording

from eventstore.events import (
    ArtifactAmended,
    EvaluationCompleted,
    EvaluationFailed,
    EvaluationRequested,
    EvaluationStarted,
    SessionTicked,
    UnknownEvent,
)
from projections.evaluation import Evaluation

if TYPE_CHECKING:
    from eventstore.codec import Recorded

TARGET = "f" * 32


def requested(log: Recording, **fields: Any) -> Recorded:
    return log.add(EvaluationRequested, **{"target": TARGET, "evaluator_id": "e", **fields})


def completed(log: Recording, request: Recorded, score: float | None, **fields: Any) -> Recorded:
    return log.add(
        EvaluationCompleted,
        **{"request": request.event.ref, "target": TARGET, "evaluator_id": "e", **fields},
        score=score,
    )


def published(log: Recording, score: float | None, **header: Any) -> Recorded:
    return log.artifact({"score": score}, **{"type": "evaluation", "target": TARGET, **header})


def states(log: Recording) -> dict[str, Any]:
    return rows(fold(Evaluation(), log), KEYS.evaluations("s"))


def scores(log: Recording) -> dict[str, Any]:
    return rows(fold(Evaluation(), log), KEYS.scores("s"))


def leaderboard(log: Recording) -> list[tuple[str, float]]:
    return members(fold(Evaluation(), log), KEYS.leaderboard("s"))


def test_a_request_stays_requested_until_something_happens() -> None:
    log = Recording()
    request = requested(log, evaluator_version="2", branch_id="b", group_id="g")
    assert states(log) == {
        request.event.ref: {
            "id": request.event.ref,
            "target": TARGET,
            "evaluator_id": "e",
            "evaluator_version": "2",
            "status": "requested",
            "score": None,
            "reason": None,
            "metrics": None,
            "comment": None,
            "attempts": None,
            "branch_id": "b",
            "group_id": "g",
            "episode_id": "0",
            "ts": request.event.ts,
            "position": 1,
            "settled_ts": None,
            "settled_by": None,
            "settled_position": None,
        }
    }
    assert (scores(log), leaderboard(log)) == ({}, [])


def test_a_started_request_says_so_with_its_attempt() -> None:
    log = Recording()
    request = requested(log)
    log.add(EvaluationStarted, request=request.event.ref, attempt=2)
    state = states(log)[request.event.ref]
    assert (state["status"], state["attempts"], state["target"]) == ("started", 2, TARGET)


def test_a_completed_request_keeps_what_it_was_asked_and_gets_its_score() -> None:
    log = Recording()
    request = requested(log, evaluator_version="2")
    by = completed(log, request, 0.25, metrics={"m": 1}, comment="fair", reason="because")
    (state,) = states(log).values()
    assert (state["status"], state["score"]) == ("completed", 0.25)
    assert (state["metrics"], state["comment"], state["reason"]) == ({"m": 1}, "fair", "because")
    assert (state["evaluator_version"], state["position"]) == ("2", request.position)
    assert (state["settled_by"], state["settled_ts"]) == (by.event.ref, by.event.ts)
    assert leaderboard(log) == [("main", 0.25)]


def test_an_unscored_evaluation_is_counted_apart_and_is_no_zero() -> None:
    log = Recording()
    completed(log, requested(log), None, reason="no opinion")
    (state,) = states(log).values()
    assert (state["status"], state["score"], state["reason"]) == ("unscored", None, "no opinion")
    assert scores(log)["main"] == {
        "branch_id": "main",
        "count": 0,
        "sum": None,
        "mean": None,
        "unscored": 1,
        "failed": 0,
    }
    assert leaderboard(log) == []


def test_a_score_of_zero_is_a_score() -> None:
    log = Recording()
    completed(log, requested(log), 0.0)
    assert scores(log)["main"]["mean"] == 0.0
    assert leaderboard(log) == [("main", 0.0)]


def test_a_failed_evaluation_says_why_and_after_how_many_attempts() -> None:
    log = Recording()
    request = requested(log)
    log.add(
        EvaluationFailed,
        request=request.event.ref,
        target=TARGET,
        evaluator_id="e",
        error="no answer",
        attempts=3,
    )
    (state,) = states(log).values()
    assert (state["status"], state["reason"], state["attempts"]) == ("failed", "no answer", 3)
    assert (scores(log)["main"]["failed"], leaderboard(log)) == (1, [])


def test_a_request_is_settled_once() -> None:
    log = Recording()
    request = requested(log)
    first = completed(log, request, 1.0)
    completed(log, request, 0.0)
    log.add(EvaluationFailed, request=request.event.ref, target=TARGET, evaluator_id="e", error="x")
    log.add(EvaluationStarted, request=request.event.ref, attempt=9)
    (state,) = states(log).values()
    assert (state["status"], state["score"], state["settled_by"]) == (
        "completed",
        1.0,
        first.event.ref,
    )
    row = scores(log)["main"]
    assert (row["count"], row["sum"], row["failed"]) == (1, 1.0, 0)


def test_a_settlement_without_its_request_is_kept() -> None:
    log = Recording()
    log.add(EvaluationCompleted, request="e" * 32, target=TARGET, evaluator_id="e", score=0.5)
    assert states(log)["e" * 32]["score"] == 0.5


def test_a_published_evaluation_is_settled_at_once() -> None:
    log = Recording()
    by = published(log, 0.5, evaluator_id="judge", group_id="g", metrics={"m": 1})
    (state,) = states(log).values()
    assert (state["id"], state["settled_by"]) == (by.event.ref, by.event.ref)
    assert (state["status"], state["score"], state["target"]) == ("completed", 0.5, TARGET)
    assert (state["evaluator_id"], state["group_id"]) == ("judge", "g")


def test_a_published_evaluation_without_a_score_is_unscored_and_gives_its_reason() -> None:
    log = Recording()
    published(log, None, meta={"reason": "not judged"})
    published(log, None, meta={"reason": ["not", "text"]})
    first, second = states(log).values()
    assert (first["status"], first["reason"]) == ("unscored", "not judged")
    assert (second["status"], second["reason"]) == ("unscored", None)


def test_branches_are_ranked_by_the_mean_of_their_scores() -> None:
    log = Recording()
    published(log, 1.0)
    published(log, 0.0)
    published(log, 0.75, branch_id="b")
    published(log, None, branch_id="b")
    published(log, None, branch_id="c")
    assert leaderboard(log) == [("main", 0.5), ("b", 0.75)]
    row = scores(log)["main"]
    assert (row["count"], row["sum"], row["mean"], row["unscored"]) == (2, 1.0, 0.5, 0)


def test_a_score_counts_for_the_branch_that_the_settling_event_names() -> None:
    log = Recording()
    request = requested(log, branch_id="b")
    completed(log, request, 0.5, branch_id="b")
    assert states(log)[request.event.ref]["branch_id"] == "b"
    assert leaderboard(log) == [("b", 0.5)]


def test_sums_stay_finite_so_that_a_mean_exists() -> None:
    log = Recording()
    largest = sys.float_info.max
    for score in (largest, largest, -largest, -largest, -largest):
        published(log, score)
    row = scores(log)["main"]
    assert row["sum"] == -largest
    assert leaderboard(log) == [("main", -largest / 5)]


def test_the_mean_of_tenths_is_that_of_python() -> None:
    log = Recording()
    tenths = [n / 10 for n in range(1, 8)]
    for score in tenths:
        published(log, score)
    assert scores(log)["main"]["mean"] == sum(tenths) / len(tenths)


def test_other_events_and_artifacts_leave_no_trace() -> None:
    log = Recording()
    log.artifact({"score": 1.0}, type="state")
    log.artifact(type="metrics", score=0.5)
    log.add(ArtifactAmended, target=TARGET, mime="text/plain")
    log.add(SessionTicked, tick=1, agents=())
    log.add(UnknownEvent, unknown_kind="evaluation.appealed", fields={}, own_lane="evaluation")
    assert fold(Evaluation(), log).keys == {}
