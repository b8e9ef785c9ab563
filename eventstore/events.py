"""The kinds of events, as one tagged union.

An event is immutable. Its class is its kind (`event.kind`), written with a schema version; a
stored event of an older version is brought up (`eventstore.kinds`) before it is decoded. Times are
ISO-8601 with milliseconds and Z. The lane says which counter of the session an event advances.
"""

from __future__ import annotations

from typing import Any, ClassVar

from eventstore.event import MAIN_BRANCH, Event, Fields, Segment
from eventstore.session_events import (
    AgentFinished,
    AgentRegistered,
    AgentUnregistered,
    BranchCheckedOut,
    BranchForked,
    BranchPopped,
    BranchPruned,
    BranchRewound,
    BranchUnpruned,
    OverrideWritten,
    SessionClosed,
    SessionOpened,
    SessionTicked,
    TickAcked,
    TickStalled,
    checkout_lane,
    lineage_lane,
)

__all__ = [
    "MAIN_BRANCH",
    "AgentFinished",
    "AgentRegistered",
    "AgentUnregistered",
    "ArtifactAmended",
    "ArtifactPublished",
    "BranchCheckedOut",
    "BranchForked",
    "BranchPopped",
    "BranchPruned",
    "BranchRewound",
    "BranchUnpruned",
    "EvaluationCompleted",
    "EvaluationFailed",
    "EvaluationRequested",
    "EvaluationStarted",
    "Event",
    "Fields",
    "OverrideWritten",
    "Segment",
    "SessionClosed",
    "SessionOpened",
    "SessionTicked",
    "TickAcked",
    "TickStalled",
    "UnknownEvent",
    "amend_lane",
    "branch_lane",
    "checkout_lane",
    "lineage_lane",
]


class ArtifactPublished(Event, frozen=True, kw_only=True, tag="artifact.published"):
    """Something an agent made: a state, a tool call or result, an evaluation, metrics, a move.

    The fields from `role` on are lifted from the header or payload, so that a reader filters
    and folds without reading payloads. `score` None means unscored, which is not zero.
    """

    type: str
    mime: str
    role: str | None = None
    score: float | None = None
    metrics: dict[str, Any] | None = None
    status: str | None = None
    evaluator_id: str | None = None
    evaluator_version: str | None = None
    target: str | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    model: str | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def lane(self) -> str:
        return branch_lane(self.branch_id)


class ArtifactAmended(Event, frozen=True, kw_only=True, tag="artifact.amended"):
    """A correction of the artifact `target` by `agent_id`; the original stays readable.

    It carries the full new view: `meta`, `parent_refs`, `payload`, `mime` and the fields from
    `role` on are what the artifact says from here on, `judged` its `target`. What an artifact
    is cannot be amended; so `artifact_type` and `published_ts` are those of the original.
    `untagged` are tags that it has no more, `previous` the amendment before this one.
    """

    target: str
    mime: str
    artifact_type: str | None = None
    published_ts: str | None = None
    role: str | None = None
    score: float | None = None
    metrics: dict[str, Any] | None = None
    status: str | None = None
    evaluator_id: str | None = None
    evaluator_version: str | None = None
    judged: str | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    model: str | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    untagged: tuple[str, ...] = ()
    previous: str | None = None
    reason: str | None = None

    @property
    def lane(self) -> str:
        return amend_lane(self.target)

    def lane_state(self) -> Fields:
        return {}


class EvaluationRequested(Event, frozen=True, kw_only=True, tag="evaluation.requested"):
    """Somebody wants an artifact judged; what the evaluator needs is the payload."""

    LANE: ClassVar[str] = "evaluation"

    target: str
    evaluator_id: str
    evaluator_version: str | None = None
    mime: str | None = None


class EvaluationStarted(Event, frozen=True, kw_only=True, tag="evaluation.started"):
    """An evaluator took up a request; `attempt` counts from 1."""

    LANE: ClassVar[str] = "evaluation"

    request: str
    attempt: int = 1


class EvaluationCompleted(Event, frozen=True, kw_only=True, tag="evaluation.completed"):
    """A request is settled with a score, or unscored (`score` None) with a reason."""

    LANE: ClassVar[str] = "evaluation"

    request: str
    target: str
    evaluator_id: str
    evaluator_version: str | None = None
    score: float | None = None
    reason: str | None = None
    metrics: dict[str, Any] | None = None
    comment: str | None = None


class EvaluationFailed(Event, frozen=True, kw_only=True, tag="evaluation.failed"):
    """A request is settled: the evaluator gave up."""

    LANE: ClassVar[str] = "evaluation"

    request: str
    target: str
    evaluator_id: str
    error: str
    attempts: int = 1


class UnknownEvent(Event, frozen=True, kw_only=True, tag="unknown"):
    """An event of a kind that this version does not know; it passes through unread."""

    unknown_kind: str
    fields: dict[str, Any]
    own_lane: str

    @property
    def kind(self) -> str:
        return self.unknown_kind

    @property
    def lane(self) -> str:
        return self.own_lane


def branch_lane(branch_id: str) -> str:
    """Return the lane whose index is a branch's `step_idx`."""
    return f"branch:{branch_id}"


def amend_lane(target: str) -> str:
    """Return the lane of an artifact's amendments."""
    return f"amend:{target}"
