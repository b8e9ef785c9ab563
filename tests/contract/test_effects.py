"""Side effects through the log, in both forms: what is made, what is answered, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.effects import EffectsUnderTest

from eventstore import (
    EffectFailed,
    EffectRefused,
    EffectUnanswered,
    InvalidInput,
)
from eventstore.errors import InvalidEvent, SessionNotFound

if TYPE_CHECKING:
    from support.buses import BusUnderTest

    from eventstore.effect_log import EffectRow


@pytest.fixture
def effects(tested: BusUnderTest) -> EffectsUnderTest:
    return EffectsUnderTest(tested, "s", agent_id="clerk")


def types(tested: BusUnderTest) -> list[str]:
    return [getattr(each.event, "type", each.event.kind) for each in tested.store.read("s")]


def listed(tested: BusUnderTest, **named: Any) -> list[EffectRow]:
    return tested.bus.effects("s", **named)


class TestStrict:
    def test_it_is_made_once_and_answered_from_the_record(
        self, tested: BusUnderTest, effects: EffectsUnderTest
    ) -> None:
        first = effects.run("charge", {"cents": 5}, gives={"id": "r-1", "status": "paid"})
        again = effects.run("charge", {"cents": 5}, gives="another")
        assert effects.made == [{"cents": 5}]
        assert (first.executed, again.executed) == (True, False)
        assert again.result == first.result == {"id": "r-1", "status": "paid"}
        assert (again.call_ref, again.result_ref) == (first.call_ref, first.result_ref)
        assert types(tested) == ["tool_call", "tool_result", "duplicate_call"]

    def test_the_call_is_there_before_and_the_result_after(
        self, tested: BusUnderTest, effects: EffectsUnderTest
    ) -> None:
        seen: list[list[str]] = []
        outcome = effects.run("look", at=lambda: seen.append(types(tested)), gives=None)
        assert seen == [["tool_call"]]
        call, result = (tested.bus.get(ref) for ref in (outcome.call_ref, outcome.result_ref))
        assert call.payload == {"name": "look", "arguments": {}}
        assert (result.payload, result.header["status"]) == (None, "ok")
        assert result.header["parent_refs"] == [outcome.call_ref]
        assert result.header["tool_call_id"] == outcome.call_ref
        assert result.header["latency_ms"] >= 0
        assert call.header["meta"]["effect"]["attempt"] == 1

    def test_a_key_is_of_one_session_branch_and_call(
        self, tested: BusUnderTest, effects: EffectsUnderTest
    ) -> None:
        effects.run("charge", {"cents": 5}, key="order-17")
        with pytest.raises(EffectRefused, match="other arguments"):
            effects.run("charge", {"cents": 6}, key="order-17")
        for other in (
            EffectsUnderTest(tested, "s", branch_id="b"),
            EffectsUnderTest(tested, "other"),
        ):
            assert other.run("charge", {"cents": 5}, key="order-17").executed
        assert effects.run("charge", {"cents": 5}, key="order-18").executed

    def test_a_failure_is_recorded_and_not_made_again(
        self, tested: BusUnderTest, effects: EffectsUnderTest
    ) -> None:
        with pytest.raises(ZeroDivisionError):
            effects.run("divide", raises=ZeroDivisionError("by nothing"))
        with pytest.raises(EffectFailed, match="ZeroDivisionError: by nothing"):
            effects.run("divide")
        assert effects.run("divide", retry_after=60, gives=7).result == 7
        assert effects.run("divide").result == 7
        assert [(row.attempt, row.status) for row in listed(tested)] == [(1, "error"), (2, "ok")]

    def test_a_result_that_cannot_be_kept_is_said(
        self, tested: BusUnderTest, effects: EffectsUnderTest
    ) -> None:
        with pytest.raises(InvalidEvent):
            effects.run("odd", gives={1: object()})
        with pytest.raises(EffectFailed, match="made, but its result cannot be kept"):
            effects.run("odd")


class TestUnanswered:
    def test_a_call_without_a_result_is_made_again_only_where_that_does_no_harm(
        self, effects: EffectsUnderTest
    ) -> None:
        effects.die_in("charge", {"cents": 5})
        with pytest.raises(EffectUnanswered, match="by agent 'clerk'") as raised:
            effects.run("charge", {"cents": 5})
        assert raised.value.call_ref is not None
        with pytest.raises(EffectUnanswered):
            effects.run("charge", {"cents": 5}, retry_after=3600)
        outcome = effects.run("charge", {"cents": 5}, retry_after=0, gives="paid")
        assert (outcome.executed, outcome.attempt) == (True, 2)
        assert effects.run("charge", {"cents": 5}).result == "paid"
        assert len(effects.made) == 2

    def test_it_is_settled_by_who_looked(
        self, tested: BusUnderTest, effects: EffectsUnderTest
    ) -> None:
        with pytest.raises(EffectRefused, match="no call under this key"):
            effects.settle("order-17")
        effects.die_in("charge", key="order-17")
        settled = effects.settle("order-17", {"receipt": 9})
        assert effects.run("charge", key="order-17").result == {"receipt": 9}
        with pytest.raises(EffectRefused, match="has a result already"):
            effects.settle("order-17")
        (row,) = listed(tested)
        assert (row.status, row.result_ref, row.duplicates) == ("ok", settled.result_ref, 1)
        effects.die_in("charge", key="order-18")
        effects.settle("order-18", error="the bank says no")
        with pytest.raises(EffectFailed, match="the bank says no"):
            effects.run("charge", key="order-18")


class TestPolicies:
    def test_penalty_makes_it_and_records_each_repetition(
        self, tested: BusUnderTest, effects: EffectsUnderTest
    ) -> None:
        outcomes = [effects.run("look", policy="penalty", penalty=0.5) for _ in range(3)]
        assert [each.penalty for each in outcomes] == [0.0, 0.5, 1.0]
        assert [each.executed for each in outcomes] == [True, True, True]
        assert [row.penalty for row in listed(tested)] == [None, 0.5, 1.0]
        assert [row.attempt for row in listed(tested)] == [1, 2, 3]

    def test_none_records_and_no_more(
        self, tested: BusUnderTest, effects: EffectsUnderTest
    ) -> None:
        for _ in range(2):
            assert effects.run("look", policy="none").executed
        assert types(tested) == ["tool_call", "tool_result"] * 2
        assert effects.run("look").executed, "no key was taken"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"policy": "once"},
            {"penalty": -1},
            {"retry_after": True},
            {"key": ""},
            {"arguments": ["x"]},
            {"tool_call_id": ""},
        ],
        ids=str,
    )
    def test_what_is_wrong_is_refused_before_anything(
        self, tested: BusUnderTest, effects: EffectsUnderTest, wrong: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidInput):
            effects.run("look", **wrong)
        assert (effects.made, tested.events) == ([], 0)


class TestLog:
    def test_calls_of_any_maker_are_listed(
        self, tested: BusUnderTest, effects: EffectsUnderTest
    ) -> None:
        header = {"session_id": "s", "agent_id": "a", "type": "tool_call"}
        call = tested.bus.publish(header, {"name": "f", "id": "c1"})
        tested.bus.publish({**header, "branch_id": "b"}, {"name": "g", "id": "c1"})
        tested.bus.publish({**header, "type": "tool_result"}, {"id": "c1"})
        effects.run("look")
        effects.run("look")
        rows = listed(tested)
        assert [(row.tool_name, row.status, row.key is None) for row in rows] == [
            ("f", "answered", True),
            ("g", "unanswered", True),
            ("look", "ok", False),
        ]
        assert (rows[0].ref, rows[2].duplicates) == (call.ref, 1)
        assert rows[0].measured is (rows[0].duration_ms is not None)
        assert [row.ref for row in listed(tested, branch="b")] == [rows[1].ref]
        assert [row.ref for row in listed(tested, agent="clerk")] == [rows[2].ref]
        assert [row.ref for row in listed(tested, limit=1)] == [rows[2].ref]
        assert listed(tested, limit=0) == []

    def test_a_session_that_does_not_exist(self, tested: BusUnderTest) -> None:
        with pytest.raises(SessionNotFound):
            listed(tested)
        with pytest.raises(InvalidInput):
            listed(tested, limit=-1)
