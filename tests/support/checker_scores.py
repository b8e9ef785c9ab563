"""The evaluation read model, folded naively: all events of one evaluation looked at together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from support.checker_log import by_session
from support.checker_views import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.checker_books import Image
    from support.checker_log import Entry

_TAKEN_OVER = ("target", "evaluator_id", "evaluator_version", "score", "metrics", "comment")
_SETTLING = ("artifact.published", "evaluation.completed", "evaluation.failed")


def evaluation(entries: list[Entry]) -> Image:
    """Return the state of every evaluation, the scores of every branch, and the leaderboards."""
    image: Image = {}
    for name, of_session in by_session(entries).items():
        states = [_state(of_one) for of_one in _evaluations(of_session)]
        amendments = [entry for entry in of_session if entry.kind == "artifact.amended"]
        for state, _ in states:
            _amend(state, [each for each in amendments if each.header["target"] == state["id"]])
        if states:
            image[key_of(name, "evaluations")] = {state["id"]: state for state, _ in states}
        settled = sorted(
            ((by.position, state) for state, by in states if by is not None),
            key=lambda pair: pair[0],
        )
        scores = _scores([state for _, state in settled])
        means = {branch: row["mean"] for branch, row in scores.items() if row["count"]}
        if scores:
            image[key_of(name, "scores")] = scores
        if means:
            image[key_of(name, "leaderboard")] = means
    return image


def _evaluations(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Yield the events of each evaluation, the one that opened it first."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.kind == "artifact.published" and entry.type == "evaluation":
            found.setdefault("published " + entry.ref, []).append(entry)
        elif entry.kind == "evaluation.requested":
            found.setdefault("requested " + entry.ref, []).append(entry)
        elif entry.kind.startswith("evaluation."):
            found.setdefault("requested " + entry.header["request"], []).append(entry)
    yield from found.values()


def _state(entries: list[Entry]) -> tuple[dict[str, Any], Entry | None]:
    """Return what is known of an evaluation, and the event that settled it."""
    opened = entries[0]
    settled = next((entry for entry in entries if entry.kind in _SETTLING), None)
    counted = [e for e in entries if settled is None or e.position <= settled.position]
    started = [entry for entry in counted if entry.kind == "evaluation.started"]
    state: dict[str, Any] = {
        "id": opened.header.get("request", opened.ref),
        **dict.fromkeys(_TAKEN_OVER),
        "status": "started" if started else "requested",
        "reason": None,
        "attempts": started[-1].header.get("attempt", 1) if started else None,
        "branch_id": (settled or opened).branch,
        "group_id": opened.header.get("group_id"),
        "episode_id": opened.header.get("episode_id", "0"),
        "ts": opened.ts,
        "position": opened.position,
        "settled_ts": settled and settled.ts,
        "settled_by": settled and settled.ref,
        "settled_position": settled and settled.position,
    }
    for entry in counted:
        said = {name: entry.header.get(name) for name in _TAKEN_OVER}
        state.update({name: value for name, value in said.items() if value is not None})
    if settled is not None:
        state.update(_outcome(settled))
    return state, settled


def _amend(state: dict[str, Any], amendments: list[Entry]) -> None:
    """Let a published evaluation say what the last amendment of it does."""
    if not amendments:
        return
    header = amendments[-1].header
    for name in ("evaluator_id", "evaluator_version", "score", "metrics"):
        state[name] = header.get(name)
    state["target"] = header.get("judged")
    state["status"] = "unscored" if state["score"] is None else "completed"
    reason = header.get("meta", {}).get("reason")
    state["reason"] = reason if isinstance(reason, str) else None


def _outcome(settled: Entry) -> dict[str, Any]:
    header = settled.header
    if settled.kind == "evaluation.failed":
        attempts = header.get("attempts", 1)
        return {"status": "failed", "reason": header["error"], "attempts": attempts}
    status = "unscored" if header.get("score") is None else "completed"
    if settled.kind == "evaluation.completed":
        return {"status": status, "reason": header.get("reason")}
    reason = header.get("meta", {}).get("reason")
    return {"status": status, "reason": reason if isinstance(reason, str) else None}


def _scores(settled: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the scores of each branch; `settled` are the states in the order of settling."""
    found: dict[str, dict[str, Any]] = {}
    for branch in {state["branch_id"] for state in settled}:
        of_branch = [state for state in settled if state["branch_id"] == branch]
        scores = [state["score"] for state in of_branch if state["status"] == "completed"]
        total = 0.0
        for score in scores:
            total = max(-sys.float_info.max, min(sys.float_info.max, total + score))
        found[branch] = {
            "branch_id": branch,
            "count": len(scores),
            "sum": total if scores else None,
            "mean": total / len(scores) if scores else None,
            "unscored": sum(state["status"] == "unscored" for state in of_branch),
            "failed": sum(state["status"] == "failed" for state in of_branch),
        }
    return found
