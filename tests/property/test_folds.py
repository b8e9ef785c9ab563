"""Folds do not depend on batches: the same events cut anywhere give the same read model.

The events are those of sessions that publish, fork, rewind, evaluate and do what no projection
looks at, in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.folding import KEYS, fold
from support.recording import Recording

from eventstore.events import (
    AgentRegistered,
    ArtifactAmended,
    ArtifactPublished,
    BranchCheckedOut,
    BranchForked,
    BranchPopped,
    BranchPruned,
    BranchRewound,
    BranchUnpruned,
    EvaluationCompleted,
    EvaluationFailed,
    EvaluationRequested,
    EvaluationStarted,
    Event,
    UnknownEvent,
)
from eventstore.lineage import UNFORKED, Lineage, fork, hide, history, rewind
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable


TARGET = "f" * 32
SESSIONS = ("s", "s:log", "é %")
scores = st.none() | st.floats(allow_nan=False, allow_infinity=False)


class Session:
    """Draws what happens next in one session, and records it."""

    def __init__(self, log: Recording, name: str) -> None:
        self.log, self.name = log, name
        self.lineages: dict[str, Lineage] = {"main": UNFORKED}
        self.requests = ["e" * 32]

    def publish(self, draw: st.DataObject) -> None:
        self.log.artifact(
            {"x": 1},
            session_id=self.name,
            branch_id=draw.draw(st.sampled_from(sorted(self.lineages))),
            type=draw.draw(st.sampled_from(["state", "tool_call", "metrics"])),
            agent_id=draw.draw(st.sampled_from(["a", "b"])),
            meta={"tags": draw.draw(st.lists(st.sampled_from(["t", "u", "state"]), max_size=3))},
        )

    def publish_evaluation(self, draw: st.DataObject) -> None:
        self.log.artifact(
            {"score": draw.draw(scores)},
            session_id=self.name,
            type="evaluation",
            branch_id=draw.draw(st.sampled_from(sorted(self.lineages))),
        )

    def fork(self, draw: st.DataObject) -> None:
        parent = draw.draw(st.sampled_from(sorted(self.lineages)))
        step = self.log.next_step(parent, self.name)
        if step > self.lineages[parent].own:
            child = f"b{len(self.lineages)}"
            lineage = fork(self.lineages[parent], parent, step, step - 1)
            self.lineages[child] = lineage
            self.log.add(
                BranchForked,
                session_id=self.name,
                branch_id=child,
                parent=parent,
                at=step - 1,
                segments=lineage.segments,
                own=lineage.own,
            )

    def rewind(self, draw: st.DataObject) -> None:
        branch = draw.draw(st.sampled_from(sorted(self.lineages)))
        step = self.log.next_step(branch, self.name)
        own = self.lineages[branch].own
        if step > own:
            to = draw.draw(st.integers(own, step - 1))
            lineage = rewind(self.lineages[branch], branch, step, to)
            self.lineages[branch] = lineage
            self.log.add(
                BranchRewound,
                session_id=self.name,
                branch_id=branch,
                to=to,
                segments=lineage.segments,
                own=lineage.own,
            )

    def pop(self, draw: st.DataObject) -> None:
        branch = draw.draw(st.sampled_from(sorted(self.lineages)))
        step = self.log.next_step(branch, self.name)
        shown = [n for _, n in history(self.lineages[branch], branch, step)]
        if shown:
            popped = draw.draw(st.sampled_from(shown))
            lineage = hide(self.lineages[branch], branch, step, popped)
            self.lineages[branch] = lineage
            self.log.add(
                BranchPopped,
                session_id=self.name,
                branch_id=branch,
                step=popped,
                segments=lineage.segments,
                own=lineage.own,
            )

    def prune(self, draw: st.DataObject) -> None:
        kinds: list[type[Event]] = [BranchPruned, BranchUnpruned, BranchCheckedOut]
        kind = draw.draw(st.sampled_from(kinds))
        branch = draw.draw(st.sampled_from(sorted(self.lineages)))
        self.log.add(kind, session_id=self.name, branch_id=branch)

    def request(self, draw: st.DataObject) -> None:
        branch = draw.draw(st.sampled_from(sorted(self.lineages)))
        asked = self.log.add(
            EvaluationRequested,
            session_id=self.name,
            branch_id=branch,
            target=TARGET,
            evaluator_id="e",
        )
        self.requests.append(asked.event.ref)

    def settle(self, draw: st.DataObject) -> None:
        request = draw.draw(st.sampled_from(self.requests))
        how = draw.draw(st.sampled_from(["start", "complete", "fail"]))
        named = {"session_id": self.name, "request": request}
        if how == "start":
            self.log.add(EvaluationStarted, **named)
        elif how == "fail":
            self.log.add(
                EvaluationFailed, **named, target=TARGET, evaluator_id="e", error="no answer"
            )
        else:
            score = draw.draw(scores)
            self.log.add(EvaluationCompleted, **named, target=TARGET, evaluator_id="e", score=score)

    def amend(self, draw: st.DataObject) -> None:
        published = [
            each.event
            for each in self.log
            if isinstance(each.event, ArtifactPublished) and each.event.session_id == self.name
        ]
        if published:
            target = draw.draw(st.sampled_from(published))
            self.log.add(
                ArtifactAmended,
                session_id=self.name,
                branch_id=target.branch_id,
                target=target.ref,
                mime="text/plain",
                artifact_type=target.type,
                published_ts=target.ts,
                score=draw.draw(scores),
                meta={"tags": ["u"]},
                untagged=("t",),
            )

    def do_something_else(self, draw: st.DataObject) -> None:
        kind = draw.draw(st.sampled_from(["amend", "agents", "unknown"]))
        if kind == "amend":
            self.log.add(ArtifactAmended, session_id=self.name, target=TARGET, mime="text/plain")
        elif kind == "agents":
            self.log.add(AgentRegistered, session_id=self.name, agents=("a",))
        else:
            self.log.add(
                UnknownEvent, session_id=self.name, unknown_kind="x", fields={}, own_lane="x"
            )


def record(data: st.DataObject, most: int) -> Recording:
    log = Recording()
    sessions = [Session(log, name) for name in SESSIONS]
    for _ in range(data.draw(st.integers(0, most))):
        session = data.draw(st.sampled_from(sessions))
        actions: list[Callable[[st.DataObject], None]] = [
            session.publish,
            session.publish_evaluation,
            session.fork,
            session.rewind,
            session.pop,
            session.prune,
            session.request,
            session.settle,
            session.amend,
            session.do_something_else,
        ]
        data.draw(st.sampled_from(actions))(data)
    return log


@given(st.data())
def test_any_batching_gives_the_same_read_models(data: st.DataObject) -> None:
    log = record(data, 40)
    cuts = data.draw(st.lists(st.integers(0, len(log.events)), max_size=8))
    for projection in PROJECTIONS:
        one_by_one = fold(projection, log, cuts=range(len(log.events)))
        assert fold(projection, log, cuts=cuts).keys == one_by_one.keys
        assert {KEYS.family_of(key) for key in one_by_one.keys} <= projection.families
