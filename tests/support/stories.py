"""Sessions that use every part of the read models, appended to a store as users would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.bus import EventBus
from eventstore.drafts import draft
from eventstore.events import (
    BranchRewound,
    EvaluationCompleted,
    EvaluationStarted,
    Event,
    branch_lane,
    lineage_lane,
)
from eventstore.lineage import UNFORKED, rewind
from eventstore.refs import generate_ref
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from eventstore.commands import Appended
    from eventstore.store import EventStore


def tell(store: EventStore, session: str, steps: int = 6) -> None:
    """Append a session: steps, a fork, a rewind, evaluations of three sorts, odd names."""
    bus = EventBus(store)
    with bus.bind(session_id=session, agent_id="planner: {1}"):
        rows = [
            bus.publish(
                {"type": "tool_call", "meta": {"tags": ["t:1", "é"], "n": n}}, {"name": "w", "n": n}
            )
            for n in range(steps)
        ]
        child = bus.fork(session, at=1, name="b:1")
        bus.publish({"type": "state", "branch_id": child, "parent_refs": [rows[1].ref]}, "text")
        _rewind(store, session, to=2, next_step=steps)
        bus.publish({"type": "tool_result", "agent_id": "other"}, {"temp_c": -3})
        bus.publish({"type": "evaluation"}, {"score": 0.1, "target": rows[0].ref})
        bus.publish({"type": "evaluation", "branch_id": child}, {"score": None})
        asked = bus.create_evaluation_for(rows[0].ref, evaluator_id="judge", payload={"a": 1})
        bus.create_evaluation_for(rows[1].ref, evaluator_id="judge")
    _settle(store, session, asked, rows[0].ref)


def _rewind(store: EventStore, session: str, to: int, next_step: int) -> None:
    lineage = rewind(UNFORKED, "main", next_step, to)
    _append(
        store,
        BranchRewound,
        session,
        {lineage_lane("main"): 0, branch_lane("main"): next_step},
        to=to,
        segments=lineage.segments,
        own=lineage.own,
    )


def _settle(store: EventStore, session: str, asked: Appended, target: str) -> None:
    _append(store, EvaluationStarted, session, request=asked.ref)
    _append(
        store,
        EvaluationCompleted,
        session,
        request=asked.ref,
        target=target,
        evaluator_id="judge",
        score=0.2,
    )


def _append(
    store: EventStore,
    kind: type[Event],
    session: str,
    expect: dict[str, int] | None = None,
    **fields: Any,
) -> None:
    event = kind(
        ref=generate_ref(), session_id=session, agent_id="a", ts=current_timestamp(), **fields
    )
    store.append(session, [draft(event)], expect=expect or {})
