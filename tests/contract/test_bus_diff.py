"""Comparing branches, on both forms of the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventstore import BranchNotFound, SessionNotFound

if TYPE_CHECKING:
    from support.buses import BusUnderTest

    from eventstore.bus import EventBus


def publish(bus: EventBus, *names: str) -> None:
    for name in names:
        bus.publish({"session_id": "s", "agent_id": "a", "type": "state"}, name)


class TestDiff:
    def test_what_differs_behind_the_fork(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        header = {"session_id": "s", "agent_id": "a"}

        def step(city: str, cost: float, branch: str) -> None:
            call = {"name": "weather", "arguments": {"city": city}}
            bus.publish({**header, "type": "tool_call", "branch_id": branch}, call)
            costs = {"cost_usd": cost, "prompt_tokens": 10}
            bus.publish({**header, "type": "metrics", "branch_id": branch}, costs)

        publish(bus, "task")
        step("Oslo", 0.5, "main")
        bus.fork("s", at=2, name="b")
        step("Bergen", 0.25, "main")
        step("Oslo", 1.0, "b")
        step("Bergen", 0.25, "b")
        scored = {**header, "type": "evaluation", "branch_id": "b"}
        bus.publish(scored, {"score": 0.75})
        tested.project()
        found = bus.diff("s", "main", "b")
        assert (found.a, found.b, found.common) == ("main", "b", 3)
        assert [(each.op, each.b and each.b.type) for each in found.steps] == [
            ("added", "tool_call"),
            ("added", "metrics"),
            ("same", "tool_call"),
            ("same", "metrics"),
            ("added", "evaluation"),
        ]
        assert found.totals["cost_usd"].delta == 1.0
        assert found.totals["prompt_tokens"].delta == 10
        assert (found.totals["score"].a, found.totals["score"].b) == (None, 0.75)
        back = bus.diff("s", "b", "main")
        assert [each.op for each in back.steps].count("removed") == 3

    def test_a_branch_and_itself(self, tested: BusUnderTest) -> None:
        publish(tested.bus, *"abc")
        tested.project()
        found = tested.bus.diff("s", "main", "main")
        assert (found.common, found.steps) == (3, ())
        assert found.totals["cost_usd"].delta == 0

    def test_what_does_not_exist_is_named(self, tested: BusUnderTest) -> None:
        with pytest.raises(SessionNotFound):
            tested.bus.diff("s", "main", "b")
        publish(tested.bus, "a")
        tested.project()
        with pytest.raises(BranchNotFound, match="'b'"):
            tested.bus.diff("s", "main", "b")
