"""Pruning branches: an event hides a branch from lists, another one or any work on it undoes that.

All methods are flows. A pruning is decided by everything that the session holds, so it expects
that nothing came to the session meanwhile; else it is decided once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore import commands
from eventstore.deciding import back_off, deciding_agent, stamp
from eventstore.drafts import MAX_BATCH_EVENTS, draft
from eventstore.errors import BranchNotFound, Conflict, SessionNotFound
from eventstore.events import BranchPruned, BranchUnpruned
from eventstore.flow import Call, Flow, batch
from eventstore.lanes import all_lane_heads
from eventstore.names import check_name
from eventstore.prune_rule import judge
from eventstore.redact_hook import redacted_text
from eventstore.refs import generate_ref
from eventstore.state_errors import BranchInUse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.branch_views import BranchRow, BranchViews
    from eventstore.commands import Appended
    from eventstore.lanes import Heads
    from eventstore.operations import Operations
    from eventstore.prune_rule import PruneRule, PruneVerdict

_CHECKOUT: Final = "checkout:"


class _Branches(NamedTuple):
    """All branches of a session, and the ends of its lanes, none of them newer than the rows."""

    rows: list[BranchRow]
    heads: Heads

    @property
    def checked_out(self) -> dict[str, list[str]]:
        """The agents that work on a branch."""
        found: dict[str, list[str]] = {}
        for lane, head in sorted(self.heads.lanes.items()):
            if lane.startswith(_CHECKOUT) and head.state is not None:
                found.setdefault(head.state["branch"], []).append(lane.removeprefix(_CHECKOUT))
        return found


class Pruning:
    """The decisions of a store on which branches are listed."""

    def __init__(self, operations: Operations, views: BranchViews) -> None:
        self._redact = operations.redact
        self._log = operations.log
        self._appender = operations.appender
        self._views = views

    def prune(
        self,
        session_id: str,
        rule: PruneRule,
        agent_id: str | None,
        reason: str | None,
        dry_run: bool,
    ) -> Flow[list[PruneVerdict]]:
        """Prune the branches that meet a rule; return a verdict on each of them.

        At most 500 are pruned at once, those first that others do not come from.
        """
        check_name("session_id", session_id)
        author = deciding_agent(agent_id)
        where = {"session_id": session_id, "agent_id": author}
        reason = redacted_text(self._redact, BranchPruned, where, "reason", reason)
        common = {"agent_id": author, "reason": reason, **stamp()}
        done: list[PruneVerdict] = []
        attempt = 0
        while True:
            read = yield from self._read(session_id)
            verdicts = judge(read.rows, read.checked_out, rule)
            _check_named(session_id, read.rows, rule, verdicts, dry_run=dry_run)
            doomed = [verdict for verdict in verdicts if verdict.pruned]
            if dry_run or not doomed:
                return [*done, *verdicts]
            now = doomed[:MAX_BATCH_EVENTS]
            events = [
                BranchPruned(
                    ref=generate_ref(),
                    session_id=session_id,
                    branch_id=verdict.branch_id,
                    **common,
                )
                for verdict in now
            ]
            try:
                yield from self._appender.append(
                    session_id,
                    [draft(event) for event in events],
                    expect=read.heads.expect_session(),
                )
            except Conflict:
                attempt += 1
                yield from back_off(attempt)
                continue
            done += now
            if len(now) == len(doomed):
                return [*done, *(verdict for verdict in verdicts if not verdict.pruned)]

    def unprune(self, session_id: str, branch: str, agent_id: str | None) -> Flow[Appended | None]:
        """List a branch again; return where the event lies, None if the branch is not pruned."""
        check_name("branch", branch)
        read = yield from self._read(check_name("session_id", session_id))
        row = next((row for row in read.rows if row["branch_id"] == branch), None)
        if row is None:
            raise BranchNotFound(session_id, branch)
        if row["pruned"] is None:
            return None
        event = BranchUnpruned(
            ref=generate_ref(),
            session_id=session_id,
            agent_id=deciding_agent(agent_id),
            branch_id=branch,
            **stamp(),
        )
        # Nothing is expected: a branch that something brought back meanwhile stays so.
        (appended,) = yield from self._appender.append(session_id, [draft(event)])
        return appended

    def _read(self, session_id: str) -> Flow[_Branches]:
        keys = self._log.keys_of(session_id)
        calls: list[Call[Any]] = [all_lane_heads(keys, session_id), commands.head(keys)]
        heads, head = yield from self._log.ready(lambda: batch(calls))
        if heads.seq is None:
            raise SessionNotFound(session_id)
        if head is None:
            raise commands.gone(keys)
        # What was seen counts as one's own: reads wait until the projection has passed it.
        self._log.acknowledge(keys.partition, head.position, head.chain)
        rows = yield from self._log.ready(
            lambda: self._views.branches(session_id, with_pruned=True)
        )
        return _Branches(rows, heads)


def _check_named(
    session_id: str,
    rows: Sequence[BranchRow],
    rule: PruneRule,
    verdicts: Sequence[PruneVerdict],
    *,
    dry_run: bool,
) -> None:
    """Raise for a branch that was named and is not there, or cannot be pruned."""
    names = {row["branch_id"] for row in rows}
    for name in rule.branches:
        if name not in names:
            raise BranchNotFound(session_id, name)
    for verdict in verdicts:
        if rule.branches and verdict.kept is not None and not dry_run:
            raise BranchInUse(session_id, verdict.branch_id, verdict.kept)
