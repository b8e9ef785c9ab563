"""What a bus does with branches, for blocking callers; `eventstore.bus.EventBus` has it all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.branch_views import BranchViews
from eventstore.branching import Branching
from eventstore.events import MAIN_BRANCH
from eventstore.prune_rule import make_rule
from eventstore.pruning import Pruning

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from eventstore.commands import Appended
    from eventstore.comparing import BranchDiff
    from eventstore.operations import Operations, Row
    from eventstore.prune_rule import PruneVerdict
    from eventstore.store import EventStore


class BusBranches:
    """The branches of sessions: a fork, rewind or checkout is one event, and copies nothing."""

    def __init__(self, store: EventStore, operations: Operations) -> None:
        self.store = store
        self._branch_views = BranchViews(operations)
        self._branching = Branching(operations, self._branch_views)
        self._pruning = Pruning(operations, self._branch_views)

    def history(
        self, session_id: str, branch: str = MAIN_BRANCH, *, limit: int | None = None
    ) -> list[Row]:
        """Return what a branch shows, oldest first, the steps it inherited included.

        `limit` keeps the last so many; `header["depth"]` numbers the visible steps from 0.
        Raises `SessionNotFound` or `BranchNotFound`.
        """
        return self.store.reading(lambda: self._branch_views.read(session_id, branch, limit))

    def as_of(
        self,
        session_id: str,
        branch: str = MAIN_BRANCH,
        *,
        seq: int | None = None,
        time: str | datetime | None = None,
    ) -> list[Row]:
        """Return what a branch showed at a moment of the past, oldest first, with depths.

        The moment is right after the session's event with this `seq`, or `time` by the server's
        clock. Steps that were rewound or popped since are there again. Raises `InvalidInput` for
        a seq that the session does not have, `BranchNotFound` for a branch that came later.
        """
        return self.store.reading(lambda: self._branch_views.as_of(session_id, branch, seq, time))

    def branches(self, session_id: str, *, with_pruned: bool = False) -> list[dict[str, Any]]:
        """Return the branches of a session, main first: lineage, head, length, rewinds, scores.

        `scores` has count, sum and mean of the scores that count for the branch; a sum and mean
        of None is unscored, which is not zero. Pruned branches are left out by default; `pruned`
        says by which event and by whom.
        """
        return self.store.reading(
            lambda: self._branch_views.branches(session_id, with_pruned=with_pruned)
        )

    def diff(self, session_id: str, a: str, b: str) -> BranchDiff:
        """Return what differs between branches `a` and `b` behind the steps that both show.

        Steps are aligned by type, tool and arguments, so that an inserted step stands alone;
        those in both say which JSON paths changed. `totals` has deltas of cost, latency, tokens
        and score. Raises `BranchNotFound` or `SessionNotFound`.
        """
        return self.store.reading(lambda: self._branch_views.diff(session_id, a, b))

    def fork(
        self,
        session_id: str,
        at: int,
        name: str | None = None,
        *,
        parent: str = MAIN_BRANCH,
        agent_id: str | None = None,
        as_of: int | None = None,
        ref: str | None = None,
    ) -> str:
        """Open a branch that shows `parent` up to step `at`, and return its name.

        One event, whatever the length: nothing is copied, and what the parent does later does
        not change the child. With `as_of`, a seq of the session, the parent is taken as it was
        then, so a step that was rewound since can be forked. Made again with the same `ref`, the
        call has the same answer. Raises `NotInHistory`, `BranchExists`, `BranchNotFound` or
        `SessionNotFound`.
        """
        return self.store.runner.run(
            self._branching.fork(session_id, at, name, parent, agent_id, ref, as_of)
        )

    def rewind(
        self,
        session_id: str,
        to: int,
        branch: str = MAIN_BRANCH,
        *,
        agent_id: str | None = None,
        ref: str | None = None,
    ) -> Appended:
        """Hide the steps of a branch above step `to`, and return where the event lies.

        They stay readable (`as_of`, `get`, `search`), their numbers are not given again, and
        branches that were forked from them go on showing them. Raises `NotInHistory`,
        `BranchNotFound` or `SessionNotFound`.
        """
        return self.store.runner.run(self._branching.rewind(session_id, to, branch, agent_id, ref))

    def checkout(
        self,
        session_id: str,
        branch: str,
        *,
        agent_id: str | None = None,
        ref: str | None = None,
    ) -> Appended:
        """Have an agent work on a branch from here on, and return where the event lies.

        The agent is the one named, else the one bound. What it pushes on its stack goes to that
        branch; `publish` takes the branch of its header. Raises `BranchNotFound` or
        `SessionNotFound`.
        """
        return self.store.runner.run(self._branching.checkout(session_id, branch, agent_id, ref))

    def prune(
        self,
        session_id: str,
        *branches: str,
        below: float | None = None,
        shorter_than: int | None = None,
        created_before: str | datetime | None = None,
        keep_best: int | None = None,
        keep: Iterable[str] = (),
        agent_id: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
    ) -> list[PruneVerdict]:
        """Hide branches from lists, and return a verdict on each that meets the conditions.

        Every condition that is given must hold, and one must be: a name, a mean score below
        `below`, fewer visible steps than `shorter_than`, a first event before `created_before`, a
        score that is not among the `keep_best` best. A branch without a score is neither below
        one nor compared. "main", what an agent has checked out, what a branch comes from that
        stays, and the names in `keep` stay. Nothing is deleted: all reads of a pruned branch go
        on, and whatever is done on it lists it again. `dry_run` only says what would be.

        Raises `InvalidInput`, `SessionNotFound`, and for branches that were named
        `BranchNotFound` or `BranchInUse`; then nothing was pruned.
        """
        rule = make_rule(branches, below, shorter_than, created_before, keep_best, keep)
        return self.store.runner.run(
            self._pruning.prune(session_id, rule, agent_id, reason, dry_run)
        )

    def unprune(
        self, session_id: str, branch: str, *, agent_id: str | None = None
    ) -> Appended | None:
        """List a pruned branch again; return where the event lies, None if it was not pruned.

        Raises `BranchNotFound` or `SessionNotFound`.
        """
        return self.store.runner.run(self._pruning.unprune(session_id, branch, agent_id))
