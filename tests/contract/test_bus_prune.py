"""Pruning branches, on both forms of the bus: out of lists and back, and nothing is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventstore import BranchInUse, BranchNotFound, InvalidInput, SessionNotFound
from eventstore.events import BranchPruned

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.buses import BusUnderTest

    from eventstore.prune_rule import PruneVerdict


def grow(tested: BusUnderTest) -> None:
    """main has three steps, "a" and "b" come from it, "c" from "b"; "a" scored 0.2, "b" 0.9."""
    header = {"session_id": "s", "agent_id": "a", "type": "state"}
    tested.bus.publish_many([(header, n) for n in range(3)])
    for name, parent, score in (("a", "main", 0.2), ("b", "main", 0.9), ("c", "b", None)):
        tested.bus.fork("s", at=1, name=name, parent=parent)
        if score is not None:
            judged = {**header, "type": "evaluation", "branch_id": name}
            tested.bus.publish(judged, {"score": score})
    tested.project()


def listed(tested: BusUnderTest, **named: Any) -> list[str]:
    tested.project()
    return [row["branch_id"] for row in tested.bus.branches("s", **named)]


def pruned(verdicts: list[PruneVerdict]) -> list[str]:
    return [verdict.branch_id for verdict in verdicts if verdict.pruned]


def test_what_is_pruned_is_listed_no_more_and_stays_readable(tested: BusUnderTest) -> None:
    grow(tested)
    (verdict,) = tested.bus.prune("s", below=0.5, agent_id="critic", reason="dull")
    assert (verdict.branch_id, verdict.pruned, verdict.mean_score) == ("a", True, 0.2)
    assert listed(tested) == ["main", "b", "c"]
    assert listed(tested, with_pruned=True) == ["main", "a", "b", "c"]
    (row,) = [r for r in tested.bus.branches("s", with_pruned=True) if r["pruned"]]
    (event,) = [e.event for e in tested.store.read("s") if isinstance(e.event, BranchPruned)]
    assert row["pruned"] == {"ref": event.ref, "by": "critic", "ts": event.ts, "reason": "dull"}
    rows = tested.bus.history("s", "a")
    assert [payload for _, payload in rows] == [0, 1, {"score": 0.2}]
    assert tested.bus.get(rows[-1].header["ref"]).payload == {"score": 0.2}
    assert len(tested.bus.as_of("s", "a", seq=len(tested.store.read("s")) - 1)) == 3
    assert len(tested.bus.search("s", branch="a")) == 1


def test_again_adds_nothing_and_a_dry_run_never_does(tested: BusUnderTest) -> None:
    grow(tested)
    before = tested.events
    dry = tested.bus.prune("s", below=0.5, dry_run=True)
    assert tested.events == before
    assert tested.bus.prune("s", below=0.5) == dry
    tested.project()
    assert tested.bus.prune("s", below=0.5) == []
    assert tested.events == before + 1


def test_it_is_undone_by_name_and_by_whatever_is_done_on_it(tested: BusUnderTest) -> None:
    grow(tested)
    header = {"session_id": "s", "agent_id": "a", "type": "state", "branch_id": "a"}
    undoes: tuple[Callable[[], object], ...] = (
        lambda: tested.bus.unprune("s", "a"),
        lambda: tested.bus.publish(header, "more"),
        lambda: tested.bus.rewind("s", to=1, branch="a"),
        lambda: tested.bus.checkout("s", "a", agent_id="passer-by"),
    )
    for undo in undoes:
        assert pruned(tested.bus.prune("s", "a")) == ["a"]
        assert listed(tested) == ["main", "b", "c"]
        undo()
        assert listed(tested) == ["main", "a", "b", "c"]
    assert tested.bus.unprune("s", "a") is None


def test_what_is_forked_from_a_pruned_branch_lists_it(tested: BusUnderTest) -> None:
    grow(tested)
    tested.bus.prune("s", "c", "b")
    assert listed(tested) == ["main", "a"]
    tested.bus.fork("s", at=1, name="d", parent="c")
    assert listed(tested) == ["main", "a", "b", "c", "d"]
    tested.bus.prune("s", "d")
    assert listed(tested) == ["main", "a"]


def test_what_is_in_use_is_refused_by_name_and_kept_by_a_rule(tested: BusUnderTest) -> None:
    grow(tested)
    tested.bus.checkout("s", "a", agent_id="writer")
    tested.project()
    before = tested.events
    for name, why in (
        ("main", "'main' is never pruned"),
        ("a", "checked out by 'writer'"),
        ("b", "'c' comes from it"),
    ):
        with pytest.raises(BranchInUse, match=why):
            tested.bus.prune("s", name)
        (said,) = tested.bus.prune("s", name, dry_run=True)
        assert said.kept == why
    verdicts = tested.bus.prune("s", shorter_than=99, keep=["c"])
    assert pruned(verdicts) == []
    assert len(verdicts) == 4
    assert tested.events == before


def test_what_does_not_exist_is_named(tested: BusUnderTest) -> None:
    with pytest.raises(SessionNotFound):
        tested.bus.prune("s", below=1)
    grow(tested)
    with pytest.raises(BranchNotFound):
        tested.bus.prune("s", "a", "nobranch")
    with pytest.raises(BranchNotFound):
        tested.bus.unprune("s", "nobranch")
    with pytest.raises(InvalidInput, match="nothing says which branches"):
        tested.bus.prune("s")
    assert listed(tested) == ["main", "a", "b", "c"]
