"""Branches and evaluations, on both forms of the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.artifacts import decision

from eventstore import (
    Appended,
    ArtifactNotFound,
    BranchExists,
    BranchNotFound,
    NotInHistory,
    SessionNotFound,
)
from eventstore.errors import InvalidInput, InvalidName, RefConflict
from eventstore.events import EvaluationRequested, SessionOpened

if TYPE_CHECKING:
    from support.buses import BusUnderTest

    from eventstore.bus import EventBus

REF = "0123456789abcdef" * 2


def publish(bus: EventBus, *names: str, branch: str = "main", session: str = "s") -> list[Appended]:
    header = {"session_id": session, "agent_id": "a", "type": "state", "branch_id": branch}
    return [bus.publish(header, name) for name in names]


def shown(bus: EventBus, branch: str = "main", **arguments: Any) -> list[Any]:
    return [payload for _, payload in bus.history("s", branch, **arguments)]


class TestHistory:
    def test_a_history_is_in_order_with_depths(self, tested: BusUnderTest) -> None:
        rows = publish(tested.bus, "a", "b", "c")
        tested.project()
        history = tested.bus.history("s")
        assert [header["ref"] for header, _ in history] == [row.ref for row in rows]
        assert [header["step_idx"] for header, _ in history] == [0, 1, 2]
        assert [header["depth"] for header, _ in history] == [0, 1, 2]

    def test_the_last_so_many(self, tested: BusUnderTest) -> None:
        publish(tested.bus, *"abcde")
        tested.project()
        assert shown(tested.bus, limit=2) == ["d", "e"]
        assert [header["depth"] for header, _ in tested.bus.history("s", limit=2)] == [3, 4]
        assert shown(tested.bus, limit=0) == []
        assert shown(tested.bus, limit=99) == list("abcde")
        with pytest.raises(InvalidInput, match="limit: counts from 0"):
            tested.bus.history("s", limit=-1)

    def test_a_long_history_is_whole(self, tested: BusUnderTest) -> None:
        header = {"session_id": "s", "agent_id": "a", "type": "state"}
        tested.bus.publish_many([(header, n) for n in range(2300)])
        tested.project()
        assert shown(tested.bus) == list(range(2300))

    def test_what_does_not_exist_is_named(self, tested: BusUnderTest) -> None:
        with pytest.raises(SessionNotFound, match="'s'"):
            tested.bus.history("s")
        with pytest.raises(SessionNotFound):
            tested.bus.branches("s")
        publish(tested.bus, "a")
        tested.project()
        with pytest.raises(BranchNotFound, match="'nobranch'"):
            tested.bus.history("s", "nobranch")

    def test_a_session_without_artifacts_shows_nothing(self, tested: BusUnderTest) -> None:
        tested.store.append("s", [decision(SessionOpened, "s")])
        tested.project()
        assert tested.bus.history("s") == []
        assert tested.bus.branches("s") == []


class TestFork:
    def test_a_child_shows_its_parent_up_to_the_fork(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        publish(bus, "a", "b", "c")
        child = bus.fork("s", at=1, name="warmer")
        assert child == "warmer"
        (first,) = publish(bus, "x", branch=child)
        publish(bus, "d")
        tested.project()
        assert first.step_idx == 2
        assert shown(bus, child) == ["a", "b", "x"]
        assert shown(bus) == ["a", "b", "c", "d"]
        assert [header["depth"] for header, _ in bus.history("s", child)] == [0, 1, 2]

    def test_a_fork_is_one_event(self, tested: BusUnderTest) -> None:
        publish(tested.bus, *"abc")
        before = tested.events
        with tested.bus.bind(agent_id="brancher", correlation_id="c1"):
            tested.bus.fork("s", at=2, name="n")
        assert tested.events == before + 1
        (fork,) = tested.store.read("s", backwards=True, limit=1)
        assert (fork.event.kind, fork.event.agent_id) == ("branch.forked", "brancher")
        assert fork.event.correlation_id == "c1"

    def test_a_fork_of_a_fork(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        publish(bus, *"abcd")
        bus.fork("s", at=2, name="one")
        publish(bus, *"xyz", branch="one")
        bus.fork("s", at=4, name="two", parent="one")
        publish(bus, "q", branch="two")
        bus.fork("s", at=0, name="three", parent="two")
        tested.project()
        assert shown(bus, "two") == list("abcxyq")
        assert shown(bus, "three") == ["a"]
        rows = bus.branches("s")
        assert [row["branch_id"] for row in rows] == ["main", "one", "two", "three"]
        assert [(row["parent"], row["at"]) for row in rows[1:]] == [
            ("main", 2),
            ("one", 4),
            ("two", 0),
        ]
        assert [row["length"] for row in rows] == [4, 6, 6, 1]

    def test_a_name_is_made_up_if_none_is_given(self, tested: BusUnderTest) -> None:
        publish(tested.bus, "a")
        names = {tested.bus.fork("s", at=0) for _ in range(3)}
        assert len(names) == 3
        assert all(name.startswith("main-") for name in names)

    @pytest.mark.parametrize("at", [3, 99, -1])
    def test_a_step_that_is_not_shown_is_refused(self, tested: BusUnderTest, at: int) -> None:
        publish(tested.bus, "a", "b", "c")
        with pytest.raises(NotInHistory, match=f"does not show step {at}; it shows steps 0-2"):
            tested.bus.fork("s", at=at)
        assert tested.events == 3

    @pytest.mark.parametrize("at", ["1", 1.0, True, None])
    def test_a_step_is_a_whole_number(self, bus: EventBus, at: Any) -> None:
        with pytest.raises(InvalidInput, match=r"^at: a step index is a whole number"):
            bus.fork("s", at=at)

    def test_a_name_is_given_once(self, tested: BusUnderTest) -> None:
        publish(tested.bus, "a", "b")
        tested.bus.fork("s", at=0, name="one")
        publish(tested.bus, "x", branch="unforked")
        before = tested.events
        for name in ("one", "main", "unforked"):
            with pytest.raises(BranchExists, match=f"'{name}'"):
                tested.bus.fork("s", at=1, name=name)
        assert tested.events == before

    def test_what_does_not_exist_is_not_forked(self, tested: BusUnderTest) -> None:
        with pytest.raises(SessionNotFound):
            tested.bus.fork("s", at=0)
        publish(tested.bus, "a")
        with pytest.raises(BranchNotFound):
            tested.bus.fork("s", at=0, parent="nobranch")
        with pytest.raises(InvalidName, match=r"^name: "):
            tested.bus.fork("s", at=0, name="")
        assert tested.events == 1


class TestEvaluations:
    def test_the_call_of_the_spec(self, tested: BusUnderTest) -> None:
        (target,) = publish(tested.bus, "answer")
        conversation = [{"role": "user", "content": "hi"}]
        payload = {"traj": conversation, "rubric": "Rate helpfulness 0-1"}
        asked = tested.bus.create_evaluation_for(
            target.ref, evaluator_id="gpt4_judge", payload=payload
        )
        tested.project()
        (row,) = tested.bus.evaluations_for(target.ref)
        assert (row["status"], row["score"]) == ("requested", None)
        assert (row["target"], row["evaluator_id"]) == (target.ref, "gpt4_judge")
        assert row["id"] == asked.ref
        header, found = tested.bus.get(asked.ref)
        assert found == payload
        assert header["type"] == "evaluation.requested"

    def test_a_request_follows_what_it_judges(self, tested: BusUnderTest) -> None:
        given = {"session_id": "s", "agent_id": "a", "type": "state", "branch_id": "b"}
        target = tested.bus.publish({**given, "episode_id": "7", "group_id": "g"}, {})
        asked = tested.bus.create_evaluation_for(
            target.ref, evaluator_id="judge", evaluator_version="2"
        )
        event = tested.store.get(asked.ref).event
        assert isinstance(event, EvaluationRequested)
        assert (event.session_id, event.branch_id, event.agent_id) == ("s", "b", "a")
        assert (event.episode_id, event.group_id) == ("7", "g")
        assert (event.target, event.parent_refs) == (target.ref, (target.ref,))
        assert event.evaluator_version == "2"

    def test_a_repeated_request_is_one(self, tested: BusUnderTest) -> None:
        (target,) = publish(tested.bus, "answer")
        one = tested.bus.create_evaluation_for(target.ref, evaluator_id="j", request_ref=REF)
        again = tested.bus.create_evaluation_for(target.ref, evaluator_id="j", request_ref=REF)
        assert one == again
        with pytest.raises(RefConflict):
            tested.bus.create_evaluation_for(target.ref, evaluator_id="k", request_ref=REF)
        assert tested.events == 2

    def test_a_published_evaluation_is_listed_with_requests(self, tested: BusUnderTest) -> None:
        one, other = publish(tested.bus, "answer", "another")
        header = {"session_id": "s", "agent_id": "judge", "type": "evaluation"}
        tested.bus.publish({**header, "target": one.ref}, {"score": 0.5})
        tested.bus.create_evaluation_for(one.ref, evaluator_id="j")
        tested.bus.publish(header, {"score": None, "target": one.ref})
        tested.bus.publish(header, {"score": 1.0, "target": other.ref})
        tested.project()
        found = tested.bus.evaluations_for(one.ref)
        assert [row["status"] for row in found] == ["completed", "requested", "unscored"]
        assert [row["score"] for row in found] == [0.5, None, None]

    @pytest.mark.parametrize("ref", [REF, "nonsense"])
    def test_nothing_judges_what_does_not_exist(self, tested: BusUnderTest, ref: str) -> None:
        with pytest.raises(ArtifactNotFound):
            tested.bus.create_evaluation_for(ref, evaluator_id="judge")
        with pytest.raises(ArtifactNotFound):
            tested.bus.evaluations_for(ref)
        assert tested.events == 0

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"evaluator_id": ""}, "evaluator_id: "),
            ({"evaluator_id": "j", "evaluator_version": 2}, "evaluator_version: "),
            ({"evaluator_id": "j", "payload": {"a": b"b"}}, "payload.a: bytes"),
            ({"evaluator_id": "j", "request_ref": "x"}, "request_ref: 'x' is not a ref"),
        ],
    )
    def test_a_wrong_argument_is_named(
        self, tested: BusUnderTest, arguments: dict[str, Any], said: str
    ) -> None:
        (target,) = publish(tested.bus, "answer")
        with pytest.raises(InvalidInput, match=f"^{said}"):
            tested.bus.create_evaluation_for(target.ref, **arguments)
        assert tested.events == 1
