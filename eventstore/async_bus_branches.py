"""What a bus does with branches, for asyncio callers: the twin of `eventstore.bus_branches`."""

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
    from eventstore.store import AsyncEventStore


class AsyncBusBranches:
    """The branches of sessions: a fork, rewind or checkout is one event, and copies nothing."""

    def __init__(self, store: AsyncEventStore, operations: Operations) -> None:
        self.store = store
        self._branch_views = BranchViews(operations)
        self._branching = Branching(operations, self._branch_views)
        self._pruning = Pruning(operations, self._branch_views)

    async def history(
        self, session_id: str, branch: str = MAIN_BRANCH, *, limit: int | None = None
    ) -> list[Row]:
        """Return what a branch shows, oldest first, the steps it inherited included."""
        return await self.store.reading(lambda: self._branch_views.read(session_id, branch, limit))

    async def as_of(
        self,
        session_id: str,
        branch: str = MAIN_BRANCH,
        *,
        seq: int | None = None,
        time: str | datetime | None = None,
    ) -> list[Row]:
        """Return what a branch showed at a moment of the past, oldest first, with depths."""
        return await self.store.reading(
            lambda: self._branch_views.as_of(session_id, branch, seq, time)
        )

    async def branches(self, session_id: str, *, with_pruned: bool = False) -> list[dict[str, Any]]:
        """Return the branches of a session, main first: lineage, head, length, rewinds, scores."""
        return await self.store.reading(
            lambda: self._branch_views.branches(session_id, with_pruned=with_pruned)
        )

    async def diff(self, session_id: str, a: str, b: str) -> BranchDiff:
        """Return what differs between branches `a` and `b` behind the steps that both show."""
        return await self.store.reading(lambda: self._branch_views.diff(session_id, a, b))

    async def fork(
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
        """Open a branch that shows `parent` up to step `at`, and return its name."""
        return await self.store.runner.run(
            self._branching.fork(session_id, at, name, parent, agent_id, ref, as_of)
        )

    async def rewind(
        self,
        session_id: str,
        to: int,
        branch: str = MAIN_BRANCH,
        *,
        agent_id: str | None = None,
        ref: str | None = None,
    ) -> Appended:
        """Hide the steps of a branch above step `to`, and return where the event lies."""
        return await self.store.runner.run(
            self._branching.rewind(session_id, to, branch, agent_id, ref)
        )

    async def checkout(
        self,
        session_id: str,
        branch: str,
        *,
        agent_id: str | None = None,
        ref: str | None = None,
    ) -> Appended:
        """Have an agent work on a branch from here on, and return where the event lies."""
        return await self.store.runner.run(
            self._branching.checkout(session_id, branch, agent_id, ref)
        )

    async def prune(
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
        """Hide branches from lists, and return a verdict on each that meets the conditions."""
        rule = make_rule(branches, below, shorter_than, created_before, keep_best, keep)
        return await self.store.runner.run(
            self._pruning.prune(session_id, rule, agent_id, reason, dry_run)
        )

    async def unprune(
        self, session_id: str, branch: str, *, agent_id: str | None = None
    ) -> Appended | None:
        """List a pruned branch again; return where the event lies, None if it was not pruned."""
        return await self.store.runner.run(self._pruning.unprune(session_id, branch, agent_id))
