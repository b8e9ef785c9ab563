"""Decisions about branches: fork, rewind, checkout. Each is one event, and nothing is copied."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from eventstore.deciding import Asked, Deciding, Decision, deciding_agent, stamp
from eventstore.errors import BranchExists, BranchNotFound, InvalidInput, SessionNotFound
from eventstore.events import (
    MAIN_BRANCH,
    BranchCheckedOut,
    BranchForked,
    BranchRewound,
    branch_lane,
    checkout_lane,
    lineage_lane,
)
from eventstore.flow import Flow, call
from eventstore.lanes import Heads, lane_heads
from eventstore.lineage import Lineage, fork, rewind
from eventstore.moments import position_of
from eventstore.names import check_name
from eventstore.refs import generate_ref
from eventstore.shown import shown

if TYPE_CHECKING:
    from eventstore.branch_views import BranchViews
    from eventstore.commands import Appended
    from eventstore.operations import Operations


class Branching:
    """The decisions about branches of a store."""

    def __init__(self, operations: Operations, views: BranchViews) -> None:
        self._log = operations.log
        self._views = views
        self._deciding = Deciding(operations.log, operations.appender)

    def fork(
        self,
        session_id: str,
        at: int,
        name: str | None,
        parent: str,
        agent_id: str | None,
        ref: str | None,
        as_of: int | None,
    ) -> Flow[str]:
        """Open a branch that shows `parent` up to step `at`, and return its name.

        With `as_of`, a seq, the parent is taken as it was right after that event.
        """
        session_id = check_name("session_id", session_id)
        parent = check_name("parent", parent)
        check_step("at", at)
        child = _made_up(parent, ref) if name is None else check_name("name", name)
        if child == MAIN_BRANCH:
            raise BranchExists(session_id, child)
        common = {"session_id": session_id, "agent_id": deciding_agent(agent_id), **stamp()}

        def make(event_ref: str) -> Flow[Decision]:
            lanes = [lineage_lane(parent), branch_lane(parent)]
            lanes += [lineage_lane(child), branch_lane(child)]
            heads = yield from self._read(session_id, lanes)
            if exists(heads, child):
                raise BranchExists(session_id, child)
            lineage = yield from self._forked(session_id, heads, parent, at, as_of)
            event = BranchForked(
                ref=event_ref,
                branch_id=child,
                parent=parent,
                at=at,
                segments=lineage.segments,
                own=lineage.own,
                as_of=as_of,
                **common,
            )
            # What the parent appends meanwhile hides no step of it, so its lane is not expected.
            expect = heads.expect(lineage_lane(parent), lineage_lane(child))
            return Decision(event, expect, start={branch_lane(child): lineage.own})

        asked = {
            "session_id": session_id,
            "branch_id": child,
            "parent": parent,
            "at": at,
            "as_of": as_of,
        }
        yield from self._deciding.decide(ref, Asked(BranchForked, asked), make)
        return child

    def _forked(
        self, session_id: str, heads: Heads, parent: str, at: int, as_of: int | None
    ) -> Flow[Lineage]:
        if as_of is not None:
            return (
                yield from self._log.ready(partial(self._forked_at, session_id, parent, at, as_of))
            )
        check_exists(heads, session_id, parent)
        return fork(heads[lineage_lane(parent)].lineage, parent, next_step(heads, parent), at)

    def _forked_at(self, session_id: str, parent: str, at: int, as_of: int) -> Flow[Lineage]:
        """Return the lineage of a fork of the past, which no later event can change."""
        then = yield from position_of(self._log, session_id, as_of, None)
        lineage, following = yield from self._views.lineage_at(session_id, parent, then)
        return fork(lineage, parent, following, at)

    def rewind(
        self, session_id: str, to: int, branch: str, agent_id: str | None, ref: str | None
    ) -> Flow[Appended]:
        """Hide the steps of a branch above `to`; they stay readable, and are never renumbered."""
        session_id = check_name("session_id", session_id)
        branch = check_name("branch", branch)
        check_step("to", to)
        common = {"session_id": session_id, "agent_id": deciding_agent(agent_id), **stamp()}

        def make(event_ref: str) -> Flow[Decision]:
            lanes = [lineage_lane(branch), branch_lane(branch)]
            heads = yield from self._read(session_id, lanes)
            check_exists(heads, session_id, branch)
            lineage = rewind(heads[lanes[0]].lineage, branch, next_step(heads, branch), to)
            event = BranchRewound(
                ref=event_ref,
                branch_id=branch,
                to=to,
                segments=lineage.segments,
                own=lineage.own,
                **common,
            )
            return Decision(event, heads.expect(*lanes))

        asked = {"session_id": session_id, "branch_id": branch, "to": to}
        return (yield from self._deciding.decide(ref, Asked(BranchRewound, asked), make))

    def checkout(
        self, session_id: str, branch: str, agent_id: str | None, ref: str | None
    ) -> Flow[Appended]:
        """Have an agent work on a branch from here on."""
        session_id = check_name("session_id", session_id)
        branch = check_name("branch", branch)
        agent = deciding_agent(agent_id)
        common = {"session_id": session_id, "agent_id": agent, **stamp()}

        def make(event_ref: str) -> Flow[Decision]:
            lanes = [checkout_lane(agent), lineage_lane(branch), branch_lane(branch)]
            heads = yield from self._read(session_id, lanes)
            check_exists(heads, session_id, branch)
            event = BranchCheckedOut(ref=event_ref, branch_id=branch, **common)
            return Decision(event, heads.expect(lanes[0]))

        asked = {"session_id": session_id, "branch_id": branch, "agent_id": agent}
        return (yield from self._deciding.decide(ref, Asked(BranchCheckedOut, asked), make))

    def _read(self, session_id: str, lanes: list[str]) -> Flow[Heads]:
        keys = self._log.keys_of(session_id)
        heads = yield from self._log.ready(lambda: call(lane_heads(keys, session_id, lanes)))
        if heads.seq is None:
            raise SessionNotFound(session_id)
        return heads


def _made_up(parent: str, ref: str | None) -> str:
    """Return a name for a branch that is given none; it follows from the fork's ref, if any."""
    return f"{parent[:32]}-{(ref or generate_ref())[-12:]}"


def check_step(what: str, value: Any) -> None:
    """Raise `InvalidInput` unless `value` can be a step index."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{what}: a step index is a whole number, not {type(value).__name__}")
    if value.bit_length() > 63:
        raise InvalidInput(f"{what}: {shown(value)} is no step index")


def exists(heads: Heads, branch: str) -> bool:
    """Return whether a branch was forked, or has a step; of both its lanes were read."""
    return heads[lineage_lane(branch)].next > 0 or heads[branch_lane(branch)].next > 0


def check_exists(heads: Heads, session_id: str, branch: str) -> None:
    """Raise `BranchNotFound` unless the session has the branch; "main" is always there."""
    if branch != MAIN_BRANCH and not exists(heads, branch):
        raise BranchNotFound(session_id, branch)


def next_step(heads: Heads, branch: str) -> int:
    """Return the step that a branch appends next."""
    return heads[branch_lane(branch)].next
