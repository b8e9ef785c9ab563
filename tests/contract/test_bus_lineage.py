"""Rewinds, checkouts, moments of the past and scores of branches, on both forms of the bus."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from eventstore import Appended, BranchNotFound, NotInHistory, RefConflict, SessionNotFound
from eventstore.errors import BranchExists, InvalidInput, InvalidName, ProjectionDamaged
from eventstore.events import BranchCheckedOut, BranchForked
from eventstore.times import from_milliseconds

if TYPE_CHECKING:
    from support.buses import BusUnderTest

    from eventstore.bus import EventBus

REF = "0123456789abcdef" * 2
OTHER = "fedcba9876543210" * 2


def publish(bus: EventBus, *names: str, branch: str = "main") -> list[Appended]:
    header = {"session_id": "s", "agent_id": "a", "type": "state", "branch_id": branch}
    return [bus.publish(header, name) for name in names]


def shown(tested: BusUnderTest, branch: str = "main", **moment: Any) -> list[Any]:
    tested.project()
    read = tested.bus.as_of if moment else tested.bus.history
    return [payload for _, payload in read("s", branch, **moment)]


class TestRewind:
    def test_steps_above_are_hidden_and_numbers_go_on(self, tested: BusUnderTest) -> None:
        publish(tested.bus, *"abcd")
        tested.bus.rewind("s", to=1)
        (after,) = publish(tested.bus, "x")
        assert after.step_idx == 4
        assert shown(tested) == ["a", "b", "x"]
        headers = [header for header, _ in tested.bus.history("s")]
        assert [header["depth"] for header in headers] == [0, 1, 2]
        assert [header["step_idx"] for header in headers] == [0, 1, 4]

    def test_what_was_rewound_stays_readable(self, tested: BusUnderTest) -> None:
        rows = publish(tested.bus, *"abc")
        tested.bus.rewind("s", to=0)
        tested.project()
        assert tested.bus.get(rows[2].ref).payload == "c"
        found = tested.bus.search("s", order="asc")
        assert [payload for _, payload in found] == ["a", "b", "c"]

    def test_a_child_keeps_what_its_parent_rewinds(self, tested: BusUnderTest) -> None:
        publish(tested.bus, *"abcd")
        tested.bus.fork("s", at=3, name="child")
        tested.bus.rewind("s", to=0)
        tested.bus.rewind("s", to=2, branch="child")
        assert shown(tested) == ["a"]
        assert shown(tested, "child") == ["a", "b", "c"]

    @pytest.mark.parametrize("to", [-1, 3, 99])
    def test_a_step_that_is_not_shown_is_refused(self, tested: BusUnderTest, to: int) -> None:
        publish(tested.bus, *"abc")
        with pytest.raises(NotInHistory, match=f"does not show step {to}; it shows steps 0-2"):
            tested.bus.rewind("s", to=to)
        assert tested.events == 3

    def test_what_does_not_exist_is_named(self, tested: BusUnderTest) -> None:
        with pytest.raises(SessionNotFound):
            tested.bus.rewind("s", to=0)
        publish(tested.bus, "a")
        with pytest.raises(BranchNotFound):
            tested.bus.rewind("s", to=0, branch="nobranch")
        with pytest.raises(InvalidInput, match=r"^to: a step index is a whole number"):
            tested.bus.rewind("s", to="0")  # type: ignore[arg-type]


class TestCheckout:
    def test_who_works_where_is_one_event(self, tested: BusUnderTest) -> None:
        publish(tested.bus, "a")
        tested.bus.fork("s", at=0, name="b")
        with tested.bus.bind(agent_id="writer"):
            row = tested.bus.checkout("s", "b")
        event = tested.store.get(row.ref).event
        assert isinstance(event, BranchCheckedOut)
        assert (event.agent_id, event.branch_id) == ("writer", "b")
        tested.bus.checkout("s", "main", agent_id="writer")

    def test_what_does_not_exist_is_named(self, tested: BusUnderTest) -> None:
        with pytest.raises(SessionNotFound):
            tested.bus.checkout("s", "main", agent_id="a")
        publish(tested.bus, "a")
        with pytest.raises(BranchNotFound):
            tested.bus.checkout("s", "nobranch", agent_id="a")
        with pytest.raises(InvalidName):
            tested.bus.checkout("s", "main", agent_id="")
        assert tested.events == 1


class TestRepeated:
    """A call made again under its ref has the answer of the first, whatever came between."""

    def test_a_fork(self, tested: BusUnderTest) -> None:
        publish(tested.bus, *"abc")
        assert tested.bus.fork("s", at=1, name="b", ref=REF) == "b"
        tested.bus.rewind("s", to=0)
        assert tested.bus.fork("s", at=1, name="b", ref=REF) == "b"
        made_up = tested.bus.fork("s", at=0, ref=OTHER)
        assert tested.bus.fork("s", at=0, ref=OTHER) == made_up
        assert tested.events == 6

    def test_a_rewind_and_a_checkout(self, tested: BusUnderTest) -> None:
        publish(tested.bus, *"abc")
        once = tested.bus.rewind("s", to=1, ref=REF)
        publish(tested.bus, "d")
        assert tested.bus.rewind("s", to=1, ref=REF) == once
        first = tested.bus.checkout("s", "main", agent_id="a", ref=OTHER)
        assert tested.bus.checkout("s", "main", agent_id="a", ref=OTHER) == first
        assert tested.events == 6

    def test_another_call_under_a_known_ref_is_refused(self, tested: BusUnderTest) -> None:
        (row, *_) = publish(tested.bus, *"abc")
        tested.bus.fork("s", at=1, name="b", ref=REF)
        for refused in (
            lambda: tested.bus.fork("s", at=0, name="b", ref=REF),
            lambda: tested.bus.fork("s", at=1, name="c", ref=REF),
            lambda: tested.bus.rewind("s", to=1, ref=REF),
            lambda: tested.bus.rewind("s", to=1, ref=row.ref),
        ):
            with pytest.raises(RefConflict):
                refused()
        with pytest.raises(BranchExists):
            tested.bus.fork("s", at=1, name="b")
        assert tested.events == 4


class TestAsOf:
    def test_each_moment_of_a_session(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        publish(bus, *"abcd")  # seq 0-3
        bus.rewind("s", to=1)  # 4
        publish(bus, "x")  # 5
        bus.fork("s", at=4, name="b")  # 6
        bus.rewind("s", to=0)  # 7
        publish(bus, "y", branch="b")  # 8
        histories = ["a", "ab", "abc", "abcd", "ab", "abx", "abx", "a", "a"]
        assert ["".join(shown(tested, seq=n)) for n in range(9)] == histories
        assert [shown(tested, "b", seq=n) for n in (6, 7, 8)] == [
            ["a", "b", "x"],
            ["a", "b", "x"],
            ["a", "b", "x", "y"],
        ]
        assert [header["depth"] for header, _ in bus.as_of("s", "b", seq=8)] == [0, 1, 2, 3]

    def test_a_rewound_step_is_forked_through_the_past(self, tested: BusUnderTest) -> None:
        publish(tested.bus, *"abc")
        tested.bus.rewind("s", to=0)
        with pytest.raises(NotInHistory):
            tested.bus.fork("s", at=2, name="saved")
        tested.project()
        assert tested.bus.fork("s", at=2, name="saved", as_of=2) == "saved"
        publish(tested.bus, "d", branch="saved")
        assert shown(tested, "saved") == list("abcd")
        (event,) = [e.event for e in tested.store.read("s") if isinstance(e.event, BranchForked)]
        assert (event.parent, event.at) == ("main", 2)

    def test_a_time_is_the_servers(self, tested: BusUnderTest) -> None:
        publish(tested.bus, "a", "b")
        tested.bus.rewind("s", to=0)
        last = tested.store.read("s")[-1].appended_at
        assert shown(tested, time=from_milliseconds(last)) == ["a"]
        assert shown(tested, time=datetime.now(UTC) + timedelta(days=1)) == ["a"]
        assert shown(tested, time="2000-01-01T00:00:00Z") == []
        moments = [each.appended_at for each in tested.store.read("s")]
        for seq, at in enumerate(moments):
            if moments.count(at) == 1:
                found = shown(tested, time=from_milliseconds(at))
                assert found == shown(tested, seq=seq)

    def test_a_branch_that_came_later_was_not_there(self, tested: BusUnderTest) -> None:
        publish(tested.bus, "a", "b")
        tested.bus.fork("s", at=0, name="b")
        tested.project()
        with pytest.raises(BranchNotFound):
            tested.bus.as_of("s", "b", seq=1)
        with pytest.raises(BranchNotFound):
            tested.bus.as_of("s", "b", time="2000-01-01T00:00:00Z")
        with pytest.raises(BranchNotFound):
            tested.bus.as_of("s", "nobranch", seq=1)

    def test_main_was_empty_before_its_first_step(self, tested: BusUnderTest) -> None:
        publish(tested.bus, "a", branch="other")
        publish(tested.bus, "b")
        assert shown(tested, seq=0) == []
        assert shown(tested, seq=1) == ["b"]

    def test_a_moment_is_one_and_in_bounds(self, tested: BusUnderTest) -> None:
        with pytest.raises(SessionNotFound):
            tested.bus.as_of("s", seq=0)
        publish(tested.bus, "a", "b")
        tested.project()
        for seq in (-1, 2, 99):
            with pytest.raises(InvalidInput, match=rf"^seq: .* has events 0-1; {seq} is none"):
                tested.bus.as_of("s", seq=seq)
        with pytest.raises(InvalidInput, match=r"^seq: a whole number"):
            tested.bus.as_of("s", seq="1")  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match=r"^as_of: takes either seq or time"):
            tested.bus.as_of("s")
        with pytest.raises(InvalidInput, match=r"^as_of: takes either seq or time"):
            tested.bus.as_of("s", seq=1, time="2026-01-01T00:00:00Z")
        with pytest.raises(InvalidInput, match=r"^seq: "):
            tested.bus.fork("s", at=0, as_of=7)

    def test_a_read_model_without_the_decisions_says_so(self, tested: BusUnderTest) -> None:
        publish(tested.bus, "a", "b")
        tested.bus.rewind("s", to=0)
        tested.project()
        keys = tested.store.parts.log.keys_of("s")
        tested.damage(keys.projection().lineage("s", "main"))
        with pytest.raises(ProjectionDamaged, match=r"0 of 1 decisions .* rebuild branch"):
            tested.bus.as_of("s", seq=2)


class TestList:
    def test_scores_are_with_their_branch(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        publish(bus, "a", "b")
        bus.fork("s", at=0, name="b")
        header = {"session_id": "s", "agent_id": "judge", "type": "evaluation", "branch_id": "b"}
        bus.publish(header, {"score": 1.0})
        bus.publish(header, {"score": 0.5})
        bus.publish(header, {"score": None})
        tested.project()
        main, child = bus.branches("s")
        assert main["scores"] == {
            "count": 0, "sum": None, "mean": None, "unscored": 0, "failed": 0
        }  # fmt: skip
        assert child["scores"] == {
            "count": 2, "sum": 1.5, "mean": 0.75, "unscored": 1, "failed": 0
        }  # fmt: skip
        assert (main["head"], main["length"], child["length"]) == (1, 2, 4)

    def test_a_thousand_forks_are_listed(self, tested: BusUnderTest) -> None:
        publish(tested.bus, "a")
        for n in range(1000):
            tested.bus.fork("s", at=0, name=f"b{n}")
        tested.project()
        rows = tested.bus.branches("s")
        assert [row["branch_id"] for row in rows] == ["main", *(f"b{n}" for n in range(1000))]
