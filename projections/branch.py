"""Branches: the steps that each appended, and what each shows.

A sorted set has all steps that a branch appended, rewound ones too; which of them a reader sees
is said by the lineage in the branch's row. So a fork, rewind or pop changes one row and no set
of steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from eventstore.event import STACK_TYPES
from eventstore.events import (
    ArtifactPublished,
    BranchCheckedOut,
    BranchForked,
    BranchPopped,
    BranchPruned,
    BranchRewound,
    BranchUnpruned,
)
from eventstore.lineage import Lineage, history
from projections.rows import Row, Rows, Wanted
from projections.timeline import member_of
from projections.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys
    from projections.base import Read, State, Write

_Decision: TypeAlias = BranchForked | BranchRewound | BranchPopped
_Mark: TypeAlias = BranchPruned | BranchUnpruned | BranchCheckedOut


class Branch:
    """`branch:<b>`: sorted set of a branch's own steps by step_idx, members as in the timeline;
    `stack:<b>:<a>`: those of them that are rows of an agent's stack;
    `lineage:<b>`: sorted set of the events that changed what the branch shows, by position;
    `branches`: hash of a session, branch -> its row as JSON.

    A row has branch_id; segments and own, the lineage; next, the step that the branch appends
    next; head, the last visible step, null while there is none; length, how many steps are
    visible; parent, at and forked_by (ref), null unless it was forked; rewinds and pops, how
    many; created (event time) and position of its first event. A row has pruned (ref, by, ts
    and a reason if one was given) from its pruning on until anything is done on the branch.
    """

    name = "branch"
    families = frozenset({"branch", "stack", "lineage", "branches"})

    def needs(self, events: Sequence[Recorded], keys: ProjectionKeys) -> Sequence[Read]:
        """Return the reads of the rows that the events change."""
        wanted = Wanted()
        for recorded in events:
            event = recorded.event
            if isinstance(event, ArtifactPublished | _Decision | _Mark):
                wanted.add(keys.branches(event.session_id), event.branch_id)
        return wanted.reads()

    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        """Return the writes of the steps and of the rows that changed."""
        writes, rows = Writes(), Rows(state)
        for recorded in events:
            event = recorded.event
            if isinstance(event, _Mark):
                _mark(rows, keys.branches(event.session_id), event)
                continue
            if not isinstance(event, ArtifactPublished | _Decision):
                continue
            key = keys.branches(event.session_id)
            row = rows.get(key, event.branch_id) or _new_row(recorded)
            row.pop("pruned", None)
            rows.put(key, event.branch_id, row)
            if isinstance(event, ArtifactPublished):
                _publish(row, recorded.index)
                steps = keys.branch(event.session_id, event.branch_id)
                writes.set_score(steps, member_of(recorded), recorded.index)
                if event.type in STACK_TYPES:
                    stack = keys.stack(event.session_id, event.branch_id, event.agent_id)
                    writes.set_score(stack, member_of(recorded), recorded.index)
            else:
                decisions = keys.lineage(event.session_id, event.branch_id)
                writes.set_score(decisions, member_of(recorded), recorded.position)
                _change_lineage(row, event)
        rows.write(writes)
        return writes.result()


def _new_row(recorded: Recorded) -> Row:
    event = recorded.event
    return {
        "branch_id": event.branch_id,
        "segments": (),
        "own": 0,
        "next": 0,
        "head": None,
        "length": 0,
        "parent": None,
        "at": None,
        "forked_by": None,
        "rewinds": 0,
        "pops": 0,
        "created": event.ts,
        "position": recorded.position,
    }


def _publish(row: Row, step_idx: int) -> None:
    row["next"] = step_idx + 1
    row["head"] = step_idx
    row["length"] += 1


def _mark(rows: Rows, key: str, event: _Mark) -> None:
    row = rows.get(key, event.branch_id)
    if row is None:
        return
    if isinstance(event, BranchPruned):
        row["pruned"] = {"ref": event.ref, "by": event.agent_id, "ts": event.ts}
        if event.reason is not None:
            row["pruned"]["reason"] = event.reason
    elif row.pop("pruned", None) is None:
        return
    rows.put(key, event.branch_id, row)


def _change_lineage(row: Row, event: _Decision) -> None:
    row["segments"], row["own"] = event.segments, event.own
    row["next"] = max(row["next"], event.own)
    shown = history(Lineage(event.segments, event.own), event.branch_id, row["next"])
    row["head"], row["length"] = shown.last, len(shown)
    if isinstance(event, BranchForked):
        row.update(parent=event.parent, at=event.at, forked_by=event.ref)
    else:
        row["rewinds" if isinstance(event, BranchRewound) else "pops"] += 1
