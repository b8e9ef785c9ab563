"""Evaluations: the state of each, scores by branch, and the branches by mean score.

An evaluation is opened by a request, or published whole as an artifact of type `evaluation`. It
is settled once: completed (with a score), unscored (without one) or failed. What settles it a
second time changes nothing. One that was published whole can be amended: its branch's scores are
then what they would be if it had been published so.

A score counts for the branch that the settling event names; `create_evaluation_for` puts the
judged artifact's branch into the request, and who settles a request repeats it. The branch of
the target itself is not looked up: another group may not have reached it yet, and a fold that
depended on that would not be the same twice.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard

from eventstore.events import (
    ArtifactAmended,
    ArtifactPublished,
    EvaluationCompleted,
    EvaluationFailed,
    EvaluationRequested,
    EvaluationStarted,
    Event,
)
from projections.rows import Row, Rows, Wanted
from projections.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys
    from projections.base import Read, State, Write

EVALUATION: Final = "evaluation"
"""The type of artifacts that are evaluations."""

_SETTLED: Final = frozenset({"completed", "unscored", "failed"})
_Settling: TypeAlias = ArtifactPublished | EvaluationCompleted | EvaluationFailed


class Evaluation:
    """`evaluations`: hash of a session, id -> state; the id is the ref of what opened it.

    A state has id; target (ref) or null; evaluator_id, evaluator_version; status: requested,
    started, completed, unscored or failed; score, null unless completed; reason, metrics,
    comment; attempts, null unless they were counted; branch_id, group_id, episode_id; ts and
    position of what opened it; settled_ts, settled_by (ref) and settled_position, null while it is
    open.

    `scores`: hash, branch -> count of scores, their sum and mean (null without any), unscored,
    failed. `leaderboard`: sorted set of branches by mean; one without a score is not in it.
    """

    name = "evaluation"
    families = frozenset({"evaluations", "scores", "leaderboard"})

    def needs(self, events: Sequence[Recorded], keys: ProjectionKeys) -> Sequence[Read]:
        """Return the reads of the states and scores that the events change."""
        wanted = Wanted()
        for recorded in events:
            event = recorded.event
            request = _request_of(event)
            if request is not None:
                wanted.add(keys.evaluations(event.session_id), request)
            if _settles(event):
                wanted.add(keys.scores(event.session_id), event.branch_id)
            if _amends(event):
                wanted.add(keys.evaluations(event.session_id), event.target)
                wanted.add_all(keys.evaluations(event.session_id))
                wanted.add(keys.scores(event.session_id), event.branch_id)
        return wanted.reads()

    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        """Return the writes of the states, scores and means that changed."""
        writes, rows = Writes(), Rows(state)
        for recorded in events:
            event = recorded.event
            if _request_of(event) is not None or _settles(event):
                _apply(recorded, rows, writes, keys)
            elif _amends(event):
                _amend(event, rows, writes, keys)
        rows.write(writes)
        return writes.result()


def _request_of(event: Event) -> str | None:
    """Return the request that an event opens, takes up or settles."""
    if isinstance(event, EvaluationRequested):
        return event.ref
    if isinstance(event, EvaluationStarted | EvaluationCompleted | EvaluationFailed):
        return event.request
    return None


def _settles(event: Event) -> bool:
    if isinstance(event, ArtifactPublished):
        return event.type == EVALUATION
    return isinstance(event, EvaluationCompleted | EvaluationFailed)


def _amends(event: Event) -> TypeGuard[ArtifactAmended]:
    return isinstance(event, ArtifactAmended) and event.artifact_type == EVALUATION


def _apply(recorded: Recorded, rows: Rows, writes: Writes, keys: ProjectionKeys) -> None:
    event = recorded.event
    key = keys.evaluations(event.session_id)
    request = _request_of(event)
    row = None if request is None else rows.get(key, request)
    if row is not None and row["status"] in _SETTLED:
        return
    if row is None:
        row = _new_row(recorded, request or event.ref)
    _describe(row, event)
    rows.put(key, row["id"], row)
    if isinstance(event, ArtifactPublished | EvaluationCompleted | EvaluationFailed):
        _settle(row, event, recorded.position)
        _count(row, event, rows, writes, keys)


def _new_row(recorded: Recorded, id_: str) -> Row:
    event = recorded.event
    return {
        "id": id_,
        "target": None,
        "evaluator_id": None,
        "evaluator_version": None,
        "status": "requested",
        "score": None,
        "reason": None,
        "metrics": None,
        "comment": None,
        "attempts": None,
        "branch_id": event.branch_id,
        "group_id": event.group_id,
        "episode_id": event.episode_id,
        "ts": event.ts,
        "position": recorded.position,
        "settled_ts": None,
        "settled_by": None,
        "settled_position": None,
    }


def _describe(row: Row, event: Event) -> None:
    """Take over what an event knows of the evaluation; what it does not say stays."""
    for name in ("target", "evaluator_id", "evaluator_version", "score", "metrics", "comment"):
        value = getattr(event, name, None)
        if value is not None:
            row[name] = value
    if isinstance(event, EvaluationStarted):
        row["status"], row["attempts"] = "started", event.attempt


def _settle(row: Row, event: _Settling, position: int) -> None:
    row["branch_id"] = event.branch_id
    row["settled_ts"], row["settled_by"] = event.ts, event.ref
    row["settled_position"] = position
    if isinstance(event, EvaluationFailed):
        row["status"], row["reason"], row["attempts"] = "failed", event.error, event.attempts
        return
    row["status"] = "unscored" if event.score is None else "completed"
    row["reason"] = event.reason if isinstance(event, EvaluationCompleted) else _said(event)


def _said(event: ArtifactPublished | ArtifactAmended) -> str | None:
    """Return the reason that a published evaluation gives in its meta, if it is text."""
    reason = event.meta.get("reason")
    return reason if isinstance(reason, str) else None


def _count(row: Row, event: _Settling, rows: Rows, writes: Writes, keys: ProjectionKeys) -> None:
    """Count a settled evaluation for its branch, and move the branch on the leaderboard."""
    key, branch_id = keys.scores(event.session_id), event.branch_id
    scores = rows.get(key, branch_id) or _no_scores(branch_id)
    rows.put(key, branch_id, scores)
    _add(scores, row)
    if row["status"] == "completed":
        writes.set_score(keys.leaderboard(event.session_id), branch_id, repr(scores["mean"]))


def _no_scores(branch_id: str) -> Row:
    return {
        "branch_id": branch_id,
        "count": 0,
        "sum": None,
        "mean": None,
        "unscored": 0,
        "failed": 0,
    }


def _add(scores: Row, row: Row) -> None:
    if row["status"] != "completed":
        scores[row["status"]] += 1
        return
    scores["count"] += 1
    scores["sum"] = _bounded((scores["sum"] or 0.0) + row["score"])
    scores["mean"] = scores["sum"] / scores["count"]


def _amend(event: ArtifactAmended, rows: Rows, writes: Writes, keys: ProjectionKeys) -> None:
    """Take over the new view of a published evaluation, and count its branch's scores anew."""
    key = keys.evaluations(event.session_id)
    row = rows.get(key, event.target)
    if row is None:
        return
    for name in ("evaluator_id", "evaluator_version", "score", "metrics"):
        row[name] = getattr(event, name)
    row["target"], row["reason"] = event.judged, _said(event)
    row["status"] = "unscored" if event.score is None else "completed"
    rows.put(key, event.target, row)
    branch_id = event.branch_id
    settled = [
        each
        for each in rows.all(key)
        if each["branch_id"] == branch_id and each["status"] in _SETTLED
    ]
    scores = _no_scores(branch_id)
    for each in sorted(settled, key=lambda each: int(each["settled_position"])):
        _add(scores, each)
    rows.put(keys.scores(event.session_id), branch_id, scores)
    leaderboard = keys.leaderboard(event.session_id)
    if scores["count"]:
        writes.set_score(leaderboard, branch_id, repr(scores["mean"]))
    else:
        writes.remove_member(leaderboard, branch_id)


def _bounded(total: float) -> float:
    """Return a sum, at most the largest float: infinity has no JSON, and no mean."""
    return max(-sys.float_info.max, min(sys.float_info.max, total))
