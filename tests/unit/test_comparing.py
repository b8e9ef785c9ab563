"""Branches compared: aligned steps, changed paths, summed costs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from eventstore.comparing import Difference, common_depth, compare_steps, compare_totals
from eventstore.json_changes import Change, changes
from eventstore.lineage import History
from eventstore.operations import Row


class Steps:
    """Steps of one branch, by few words."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.rows: list[Row] = []

    def add(self, type_: str, payload: Any = None, **header: Any) -> Steps:
        number = len(self.rows)
        fields = {
            "ref": f"{self._name}{number}",
            "step_idx": number,
            "depth": number,
            "agent_id": "a",
            "type": type_,
            "parent_refs": [],
            "meta": {},
            **header,
        }
        self.rows.append(Row(fields, payload))
        return self

    def call(self, tool: str, **arguments: Any) -> Steps:
        """Add a call of a tool, with an id that no other branch has."""
        payload = {"id": f"call_{self._name}", "name": tool, "arguments": arguments}
        return self.add("tool_call", payload, tool_name=tool)

    def result(self, payload: Any) -> Steps:
        """Add the result of the call before."""
        call = self.rows[-1].header
        parents = [call["ref"]]
        return self.add("tool_result", payload, tool_name=call["tool_name"], parent_refs=parents)


def ops(a: Steps, b: Steps) -> list[str]:
    return [step.op for step in compare_steps(a.rows, b.rows)]


def paths(a: Steps, b: Steps) -> list[str]:
    return [change.path for step in compare_steps(a.rows, b.rows) for change in step.changes]


def test_equal_steps_are_the_same_whatever_their_refs_and_numbers() -> None:
    a = Steps("a").add("state", {"text": "hi"}).add("metrics", {"n": 1}, cost_usd=1.0)
    b = Steps("b").add("state", {"text": "hi"}).add("metrics", {"n": 1}, cost_usd=2.0)
    assert ops(a, b) == ["same", "same"]


def test_an_inserted_step_stands_alone() -> None:
    a = Steps("a").call("search", q="x").result("r1").call("read", n=1).result("r2")
    b = Steps("b").call("search", q="x").result("r1")
    b.call("search", q="y").result("r3").call("read", n=1).result("r2")
    assert [op for op in ops(a, b) if op == "added"] == ["added", "added"]
    assert ops(b, a).count("removed") == 2
    assert set(paths(a, b)) == {"payload.id"}


def test_a_result_goes_with_its_call() -> None:
    """The two calls between have the same tool; their results alone say nothing of which."""
    a = Steps("a").call("read", n=2).result("second")
    b = Steps("b").call("read", n=1).result("ok").call("read", n=2).result("other")
    found = compare_steps(a.rows, b.rows)
    assert [(step.op, step.b and step.b.depth) for step in found] == [
        ("added", 0),
        ("added", 1),
        ("changed", 2),
        ("changed", 3),
    ]


def test_a_call_with_other_arguments_says_which() -> None:
    a = Steps("a").call("weather", city="Oslo", days=1)
    b = Steps("b").call("weather", city="Bergen", days=1)
    (step,) = compare_steps(a.rows, b.rows)
    assert step.op == "changed"
    assert Change("payload.arguments.city", "changed", "Oslo", "Bergen") in step.changes
    assert "payload.arguments.days" not in paths(a, b)


def test_other_tools_are_other_steps() -> None:
    assert ops(Steps("a").call("read"), Steps("b").call("write")) == ["removed", "added"]


def test_what_the_header_says_is_compared() -> None:
    a = Steps("a").add("tool_result", "x", status="ok", meta={"tags": ["t"]})
    b = Steps("b").add("tool_result", "x", status="error", meta={"tags": ["t", "u"]})
    assert paths(a, b) == ["meta.tags[1]", "status"]


def test_bytes_are_compared_by_their_digest() -> None:
    (step,) = compare_steps(Steps("a").add("state", b"x").rows, Steps("b").add("state", b"yy").rows)
    assert [change.path for change in step.changes] == ["payload.bytes", "payload.sha256"]


def test_a_branch_without_steps_of_its_own() -> None:
    steps = Steps("a").add("state", 1).add("state", 2)
    assert ops(steps, Steps("b")) == ["removed", "removed"]
    assert ops(Steps("b"), steps) == ["added", "added"]
    assert ops(Steps("a"), Steps("b")) == []


def test_costs_are_summed_and_unknown_is_not_zero() -> None:
    a = Steps("a").add("metrics", cost_usd=0.5, prompt_tokens=10).add("state")
    b = Steps("b").add("metrics", cost_usd=0.25).add("metrics", cost_usd=1.0)
    totals = compare_totals(a.rows, b.rows, None, 0.5)
    assert totals["cost_usd"] == Difference(0.5, 1.25, 0.75)
    assert totals["prompt_tokens"] == Difference(10, None, None)
    assert totals["latency_ms"] == Difference(None, None, None)
    assert totals["score"] == Difference(None, 0.5, None)
    assert compare_totals([], b.rows, 1.0, 0.5)["cost_usd"] == Difference(0, 1.25, 1.25)
    assert compare_totals([], [], 1.0, 0.5)["score"] == Difference(1.0, 0.5, -0.5)


@pytest.mark.parametrize(
    ("a", "b", "depth"),
    [
        ((("main", 0, 5),), (("main", 0, 5),), 6),
        ((("main", 0, 5),), (("main", 0, 3), ("b", 4, 9)), 4),
        ((("main", 0, 3), ("main", 6, 7)), (("main", 0, 3), ("main", 6, 6), ("b", 7, 8)), 5),
        ((("main", 1, 3),), (("main", 0, 3),), 0),
        ((("x", 0, 3),), (("main", 0, 3),), 0),
        ((), (("main", 0, 3),), 0),
    ],
)
def test_common_steps_are_the_same_events(a: Any, b: Any, depth: int) -> None:
    assert common_depth(History("a", a), History("b", b)) == depth
    assert common_depth(History("b", b), History("a", a)) == depth


class TestChanges:
    @pytest.mark.parametrize(
        ("a", "b", "found"),
        [
            ({"x": 1}, {"x": 2}, [Change("x", "changed", 1, 2)]),
            ({"x": 1}, {}, [Change("x", "removed", 1)]),
            ({}, {"x": None}, [Change("x", "added", b=None)]),
            ({"x": 1}, {"x": True}, [Change("x", "changed", 1, True)]),
            ({"x": 1}, {"x": 1.0}, [Change("x", "changed", 1, 1.0)]),
            ({"a b": {"c": 1}}, {"a b": {"c": 2}}, [Change('["a b"].c', "changed", 1, 2)]),
            ([1, 2, 3], [1, 9, 2, 3], [Change("[1]", "added", b=9)]),
            ([1, 2, 3], [1, 3], [Change("[1]", "removed", 2)]),
            ([{"n": 1}, 2], [{"n": 3}, 2], [Change("[0].n", "changed", 1, 3)]),
            ("x", {"x": 1}, [Change("", "changed", "x", {"x": 1})]),
        ],
    )
    def test_what_changed_and_where(self, a: Any, b: Any, found: list[Change]) -> None:
        assert list(changes(a, b)) == found

    def test_a_value_that_is_not_there_is_unset_and_not_null(self) -> None:
        assert Change("x", "added", b=None).a is UNSET
