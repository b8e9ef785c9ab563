"""The index: both headers of every artifact, and of nothing else."""

from __future__ import annotations

from support.folding import KEYS, fold, rows
from support.recording import Recording

from eventstore.events import (
    ArtifactAmended,
    EvaluationCompleted,
    EvaluationRequested,
    OverrideWritten,
    SessionOpened,
    SessionTicked,
    UnknownEvent,
)
from eventstore.header_view import header_of, lean_of
from projections.index import Index


def test_every_artifact_has_a_lean_and_a_full_header() -> None:
    log = Recording()
    published = [log.artifact({"n": n}, meta={"tags": ["t"], "n": n}) for n in range(3)]
    memory = fold(Index(), log)
    headers = {each.event.ref: header_of(each) for each in published}
    assert rows(memory, KEYS.headers("s")) == headers
    assert rows(memory, KEYS.index("s")) == {ref: lean_of(h) for ref, h in headers.items()}


def test_sessions_are_apart() -> None:
    log = Recording()
    first, second = log.artifact(session_id="a"), log.artifact(session_id="a:b")
    memory = fold(Index(), log)
    assert list(rows(memory, KEYS.index("a"))) == [first.event.ref]
    assert list(rows(memory, KEYS.index("a:b"))) == [second.event.ref]


def test_other_events_leave_no_entry() -> None:
    log = Recording()
    target = "f" * 32
    log.add(SessionOpened)
    log.add(EvaluationRequested, target=target, evaluator_id="e")
    log.add(EvaluationCompleted, request=target, target=target, evaluator_id="e", score=1.0)
    log.add(ArtifactAmended, target=target, mime="text/plain")
    log.add(SessionTicked, tick=1, agents=("a",))
    log.add(OverrideWritten, patch={}, effective={})
    log.add(UnknownEvent, unknown_kind="x", fields={}, own_lane="l")
    assert fold(Index(), log).keys == {}


def test_a_score_of_zero_is_in_the_lean_header_and_an_unknown_one_is_not() -> None:
    log = Recording()
    zero = log.artifact({"score": 0}, type="evaluation")
    none = log.artifact({"score": None}, type="evaluation")
    lean = rows(fold(Index(), log), KEYS.index("s"))
    assert lean[zero.event.ref]["score"] == 0.0
    assert "score" not in lean[none.event.ref]
