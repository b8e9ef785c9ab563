"""Branches: own steps, lineage, head, length and rewinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.folding import KEYS, fold, members, rows
from support.recording import Recording

from eventstore.events import (
    ArtifactAmended,
    BranchCheckedOut,
    BranchForked,
    BranchPopped,
    BranchPruned,
    BranchRewound,
    BranchUnpruned,
    OverrideWritten,
    SessionTicked,
    TickAcked,
    UnknownEvent,
)
from eventstore.lineage import UNFORKED, Lineage, fork, hide, rewind
from projections.branch import Branch
from projections.timeline import member_of

if TYPE_CHECKING:
    from eventstore.codec import Recorded


def forked(log: Recording, child: str, at: int, parent: str = "main") -> Recorded:
    lineage = fork(UNFORKED, parent, log.next_step(parent), at)
    return log.add(
        BranchForked,
        branch_id=child,
        parent=parent,
        at=at,
        segments=lineage.segments,
        own=lineage.own,
    )


def rewound(log: Recording, to: int, lineage: Lineage = UNFORKED, branch: str = "main") -> Lineage:
    after = rewind(lineage, branch, log.next_step(branch), to)
    log.add(BranchRewound, branch_id=branch, to=to, segments=after.segments, own=after.own)
    return after


def branches(log: Recording) -> dict[str, Any]:
    return rows(fold(Branch(), log), KEYS.branches("s"))


def test_main_begins_with_its_first_artifact() -> None:
    log = Recording()
    log.add(SessionTicked, tick=1, agents=("a",))
    first = log.artifact()
    assert branches(log) == {
        "main": {
            "branch_id": "main",
            "segments": [],
            "own": 0,
            "next": 1,
            "head": 0,
            "length": 1,
            "parent": None,
            "at": None,
            "forked_by": None,
            "rewinds": 0,
            "pops": 0,
            "created": first.event.ts,
            "position": 2,
        }
    }


def test_steps_lie_in_their_own_branch_by_step_idx() -> None:
    log = Recording()
    main = [log.artifact() for _ in range(3)]
    forked(log, "b", at=1)
    own = log.artifact(branch_id="b")
    memory = fold(Branch(), log)
    assert members(memory, KEYS.branch("s", "main")) == [
        (member_of(each), float(n)) for n, each in enumerate(main)
    ]
    assert members(memory, KEYS.branch("s", "b")) == [(member_of(own), 2.0)]


def test_a_fork_shows_what_it_inherits_before_its_own_first_step() -> None:
    log = Recording()
    for _ in range(4):
        log.artifact()
    event = forked(log, "b", at=1)
    row = branches(log)["b"]
    assert (row["segments"], row["own"], row["next"]) == ([["main", 0, 1]], 2, 2)
    assert (row["head"], row["length"]) == (1, 2)
    assert (row["parent"], row["at"], row["forked_by"]) == ("main", 1, event.event.ref)
    assert (row["created"], row["position"]) == (event.event.ts, 5)


def test_a_fork_changes_nothing_of_its_parent() -> None:
    log = Recording()
    log.artifact()
    before = branches(log)["main"]
    forked(log, "b", at=0)
    log.artifact(branch_id="b")
    assert branches(log)["main"] == before


def test_a_rewind_moves_the_head_back_and_new_steps_go_on_counting() -> None:
    log = Recording()
    for _ in range(5):
        log.artifact()
    rewound(log, to=1)
    row = branches(log)["main"]
    assert (row["head"], row["length"], row["next"], row["rewinds"]) == (1, 2, 5, 1)
    log.artifact()
    row = branches(log)["main"]
    assert (row["head"], row["length"], row["next"]) == (5, 3, 6)
    assert (row["segments"], row["own"]) == ([["main", 0, 1]], 5)


def test_rewound_steps_stay_among_the_branchs_own() -> None:
    log = Recording()
    for _ in range(3):
        log.artifact()
    rewound(log, to=0)
    assert len(members(fold(Branch(), log), KEYS.branch("s", "main"))) == 3


def test_rewinds_are_counted() -> None:
    log = Recording()
    for _ in range(3):
        log.artifact()
    again = rewound(log, to=1)
    rewound(log, to=0, lineage=again)
    row = branches(log)["main"]
    assert (row["rewinds"], row["length"], row["head"]) == (2, 1, 0)


def test_a_pop_hides_one_step_and_leaves_those_above_it() -> None:
    log = Recording()
    for _ in range(3):
        log.artifact()
    popped = hide(UNFORKED, "main", 3, 1)
    log.add(BranchPopped, step=1, segments=popped.segments, own=popped.own)
    row = branches(log)["main"]
    assert (row["head"], row["length"], row["next"]) == (2, 2, 3)
    assert (row["pops"], row["rewinds"]) == (1, 0)
    assert row["segments"] == [["main", 0, 0], ["main", 2, 2]]


def test_a_pruned_branch_is_marked_until_something_is_done_on_it() -> None:
    log = Recording()
    for _ in range(3):
        log.artifact()
    forked(log, "b", at=1)
    before = branches(log)
    pruned = log.add(BranchPruned, branch_id="b", reason="dull")
    assert branches(log)["b"]["pruned"] == {
        "ref": pruned.event.ref,
        "by": "a",
        "ts": pruned.event.ts,
        "reason": "dull",
    }
    assert branches(log)["main"] == before["main"]
    log.add(BranchUnpruned, branch_id="b")
    assert branches(log) == before
    log.add(BranchPruned, branch_id="b")
    log.add(BranchCheckedOut, branch_id="b")
    assert branches(log) == before
    log.add(BranchPruned, branch_id="b")
    log.artifact(branch_id="b")
    assert "pruned" not in branches(log)["b"]
    log.add(BranchPruned, branch_id="b")
    rewound(log, to=1, lineage=fork(UNFORKED, "main", 3, 1), branch="b")
    assert "pruned" not in branches(log)["b"]


def test_what_changed_a_branch_is_listed_by_position() -> None:
    log = Recording()
    for _ in range(3):
        log.artifact()
    fork_event = forked(log, "b", at=1)
    rewound(log, to=0)
    memory = fold(Branch(), log)
    assert members(memory, KEYS.lineage("s", "b")) == [(member_of(fork_event), 4.0)]
    assert members(memory, KEYS.lineage("s", "main")) == [(member_of(log.events[-1]), 5.0)]


def test_a_stack_has_the_rows_of_its_agent() -> None:
    log = Recording()
    first = log.artifact()
    log.artifact(agent_id="other")
    log.artifact(type="metrics")
    call = log.artifact(type="tool_call")
    memory = fold(Branch(), log)
    assert members(memory, KEYS.stack("s", "main", "a")) == [
        (member_of(first), 0.0),
        (member_of(call), 3.0),
    ]
    assert len(members(memory, KEYS.stack("s", "main", "other"))) == 1


def test_a_branch_that_was_never_forked_begins_with_its_first_artifact() -> None:
    log = Recording()
    log.artifact(branch_id="other")
    row = branches(log)["other"]
    assert (row["parent"], row["forked_by"], row["segments"], row["own"]) == (None, None, [], 0)


def test_what_does_not_concern_branches_changes_nothing() -> None:
    log = Recording()
    log.artifact()
    before = fold(Branch(), log).keys
    log.add(BranchCheckedOut, branch_id="main")
    log.add(BranchCheckedOut, branch_id="nobranch")
    log.add(BranchPruned, branch_id="nobranch")
    log.add(ArtifactAmended, target="1" * 32, mime="text/plain", branch_id="main")
    log.add(TickAcked, tick=1)
    log.add(OverrideWritten, patch={}, effective={})
    log.add(UnknownEvent, unknown_kind="branch.merged", fields={}, own_lane="l")
    assert fold(Branch(), log).keys == before
