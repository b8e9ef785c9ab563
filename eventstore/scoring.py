"""The evaluations of all sessions, from the evaluation projection, and which of them count."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from eventstore.flow import Call, Flow, as_is
from eventstore.session_list import all_sessions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventstore.keys import Keys, ProjectionKeys
    from eventstore.log import Log
    from eventstore.views import Views

UNNAMED: Final = "(unnamed)"
"""Stands for the evaluator of an evaluation that names none."""

_SETTLED: Final = ("completed", "unscored", "failed")
_SESSIONS_A_TRIP: Final = 200
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def all_evaluations(log: Log, views: Views) -> Flow[list[dict[str, Any]]]:
    """Return the evaluations of every session, by session and then by position. A flow.

    A row is what `projections.evaluation` writes, with its `session_id`. Costs one round trip
    for 200 sessions, and no walk over the keyspace.
    """
    rows: list[dict[str, Any]] = []
    by_partition: dict[Keys, list[str]] = {}
    for session_id in (yield from all_sessions(log)):
        by_partition.setdefault(log.keys_of(session_id), []).append(session_id)
    for keys, sessions in by_partition.items():
        rows += yield from views.settled(keys, partial(_pages, views, keys, sessions))
    return sorted(rows, key=lambda row: (row["session_id"], row["position"]))


def _pages(views: Views, keys: Keys, sessions: Sequence[str]) -> Flow[list[dict[str, Any]]]:
    rows = []
    for start in range(0, len(sessions), _SESSIONS_A_TRIP):
        rows += yield from _page(views, keys, sessions[start : start + _SESSIONS_A_TRIP])
    return rows


def _page(views: Views, keys: Keys, sessions: Sequence[str]) -> Flow[list[dict[str, Any]]]:
    def calls(projection: ProjectionKeys) -> list[Call[list[bytes]]]:
        return [Call("HVALS", (projection.evaluations(name),), (), as_is) for name in sessions]

    found = yield from views.query("evaluation", keys, calls, sessions=sessions)
    return [
        {**_decode(value), "session_id": session_id}
        for session_id, values in zip(sessions, found, strict=True)
        for value in values
    ]


def runs_by_evaluator(
    rows: Sequence[Mapping[str, Any]], evaluator_id: str | None = None
) -> dict[str, list[tuple[str | None, float | None]]]:
    """Return (group, score) of each judged run, by evaluator, as `aggregate` takes them. Pure.

    A run is a target that an evaluator judged; of several verdicts the last one opened counts.
    Requests without a verdict yet are left out: nothing is known of them. Without
    `evaluator_id`, only evaluations with a group are taken: those of runs made to be compared.
    """
    verdicts: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: int(row["position"])):
        evaluator = row["evaluator_id"] or UNNAMED
        wanted = row["group_id"] is not None if evaluator_id is None else evaluator == evaluator_id
        if wanted and row["status"] in _SETTLED:
            verdicts[row["session_id"], evaluator, row["target"] or row["id"]] = row
    runs: dict[str, list[tuple[str | None, float | None]]] = {}
    for (_, evaluator, _), row in sorted(verdicts.items()):
        runs.setdefault(evaluator, []).append((row["group_id"], row["score"]))
    return runs
