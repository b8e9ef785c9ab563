"""A unit of work on a session: what was asked for, and the events that it comes to. Pure.

Everything waits until it is saved, and is then decided at once by what holds at that moment:
`plan` takes the heads of the lanes in `lanes_of` and what a search of the log found, and returns
the events with every lane that they were decided by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from eventstore.drafts import draft
from eventstore.errors import BranchNotFound, SessionNotFound
from eventstore.events import (
    MAIN_BRANCH,
    AgentFinished,
    AgentRegistered,
    AgentUnregistered,
    BranchCheckedOut,
    BranchPopped,
    SessionClosed,
    SessionOpened,
    TickAcked,
    branch_lane,
    checkout_lane,
    lineage_lane,
)
from eventstore.intents import (
    Ack,
    Checkout,
    Close,
    Open,
    Pop,
    Push,
    Register,
    Unregister,
    agent_of,
    branch_of,
    lanes_of,
    searched_branches,
)
from eventstore.lineage import hide
from eventstore.refs import derived_ref
from eventstore.stack_search import turn_of
from eventstore.state_errors import AgentNotRegistered, SessionEnded, StackMoved
from eventstore.ticking import check_ack
from eventstore.ticks import (
    AGENTS_LANE,
    SESSION_LANE,
    Roster,
    is_open_at,
    roster_at,
)
from eventstore.tool_calls import OpenCall, OpenCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from eventstore.drafts import Draft
    from eventstore.events import ArtifactPublished, Event, Fields
    from eventstore.intents import Intent
    from eventstore.lanes import Heads
    from eventstore.lineage import Lineage
    from eventstore.stack_search import Found


class Plan(NamedTuple):
    """The events of a unit of work, and the lanes that it was decided by."""

    drafts: list[Draft]
    expect: dict[str, int]


def plan(
    session_id: str, intents: Sequence[Intent], heads: Heads, found: Mapping[str, Found]
) -> Plan:
    """Return the events that intents come to, in order; none for what holds already.

    `found` has, by branch, what `stack_search.look_back` found. Raises what makes an intent
    impossible now; then nothing of the unit is appended.
    """
    work = _Work(session_id, heads, found)
    drafts: list[Draft] = []
    for intent in intents:
        if isinstance(intent, Close) and heads.seq is None and not drafts:
            raise SessionNotFound(session_id)
        drafts += work.carry_out(intent)
    return Plan(drafts, _expected(intents, heads))


def _expected(intents: Sequence[Intent], heads: Heads) -> dict[str, int]:
    acks = [intent for intent in intents if isinstance(intent, Ack)]
    if len(acks) == len(intents) and not any(ack.finished for ack in acks):
        # Acknowledgements alone commute: no two are in each other's way.
        return {}
    lanes = lanes_of(intents)
    searched = {lane for name in searched_branches(intents) for lane in _lanes_of_branch(name)}
    # That a branch exists goes on being so: its lanes are expected only if its rows count.
    left_out = {
        lane
        for intent in intents
        if isinstance(intent, Checkout)
        for lane in _lanes_of_branch(branch_of(intent))
    }
    return heads.expect(*(lane for lane in lanes if lane in searched or lane not in left_out))


def _lanes_of_branch(branch: str) -> tuple[str, str]:
    return lineage_lane(branch), branch_lane(branch)


class _Work:
    """The session as it is after the intents that were carried out so far."""

    def __init__(self, session_id: str, heads: Heads, found: Mapping[str, Found]) -> None:
        self._session_id = session_id
        self._heads = heads
        self._is_open = is_open_at(heads[SESSION_LANE])
        self._roster = roster_at(heads[AGENTS_LANE])
        self._checkouts: dict[str, str] = {}
        self._lineages: dict[str, Lineage] = {}
        self._pushed: dict[str, int] = {}
        self._calls = {branch: each.calls for branch, each in found.items()}
        self._new_calls: dict[str, OpenCalls] = {}
        self._rows = {
            branch: {a: list(r) for a, r in f.rows.items()} for branch, f in found.items()
        }

    def carry_out(self, intent: Intent) -> Iterator[Draft]:
        """Yield the events of one intent."""
        if isinstance(intent, Open):
            yield from self._open(intent)
            return
        if isinstance(intent, Close):
            yield from self._close(intent)
            return
        if not self._is_open:
            raise SessionEnded(self._session_id)
        if isinstance(intent, Register | Unregister):
            yield from self._change_agents(intent)
            return
        agent = agent_of(intent)
        if agent not in self._roster.agents:
            raise AgentNotRegistered(self._session_id, agent, self._roster.agents)
        if isinstance(intent, Checkout):
            yield self._check_out(agent, intent)
        elif isinstance(intent, Push):
            self._check_branch(agent, intent)
            yield self._push(intent)
        elif isinstance(intent, Pop):
            self._check_branch(agent, intent)
            yield self._pop(agent, intent)
        else:
            yield from self._ack(agent, intent)

    def _open(self, intent: Open) -> Iterator[Draft]:
        if not self._is_open or self._heads[SESSION_LANE].next == 0:
            self._is_open = True
            yield draft(SessionOpened(title=intent.title, **intent.common))

    def _close(self, intent: Close) -> Iterator[Draft]:
        if self._is_open:
            self._is_open = False
            yield draft(SessionClosed(reason=intent.reason, **intent.common))

    def _change_agents(self, intent: Register | Unregister) -> Iterator[Draft]:
        agent = agent_of(intent)
        joins = isinstance(intent, Register)
        roster = self._roster.with_agent(agent) if joins else self._roster.without_agent(agent)
        if roster != self._roster:
            self._roster = roster
            kind = AgentRegistered if joins else AgentUnregistered
            yield draft(_of_roster(kind, roster, intent.common))

    def _check_out(self, agent: str, intent: Checkout) -> Draft:
        branch = branch_of(intent)
        lanes = _lanes_of_branch(branch)
        if branch != MAIN_BRANCH and not any(self._heads[lane].next for lane in lanes):
            raise BranchNotFound(self._session_id, branch)
        self._checkouts[agent] = branch
        return draft(BranchCheckedOut(**intent.common))

    def _check_branch(self, agent: str, intent: Push | Pop) -> None:
        checked_out = self._checkouts.get(agent) or branch_at(self._heads, agent)
        if checked_out != branch_of(intent):
            raise StackMoved(
                self._session_id,
                agent,
                f"it works on branch {checked_out!r} now, not on {branch_of(intent)!r}",
            )

    def _push(self, intent: Push) -> Draft:
        event, item = intent.event, intent.item
        branch = event.branch_id
        self._pushed[branch] = self._pushed.get(branch, 0) + 1
        if event.type == "tool_call":
            calls = self._new_calls.setdefault(branch, OpenCalls())
            call = OpenCall(turn_of(event), event.ref, event.tool_name or "")
            calls.add(event.tool_call_id, call)
        if not intent.wants_call:
            return item
        for open_calls in (self._new_calls.setdefault(branch, OpenCalls()), self._calls[branch]):
            answered = open_calls.take(event.tool_call_id, event.tool_name)
            if answered is not None:
                return draft(linked(event, answered), item.data)
        return draft(_unpaired(event), item.data)

    def _pop(self, agent: str, intent: Pop) -> Draft:
        branch = branch_of(intent)
        rows = self._rows[branch][agent]
        if not rows or rows[0] != intent.row:
            raise StackMoved(
                self._session_id, agent, f"its last row on {branch!r} is not {intent.row.ref} now"
            )
        del rows[0]
        lineage = self._lineages.get(branch, self._heads[lineage_lane(branch)].lineage)
        next_step = self._heads[branch_lane(branch)].next + self._pushed.get(branch, 0)
        lineage = self._lineages[branch] = hide(lineage, branch, next_step, intent.row.step_idx)
        return draft(
            BranchPopped(
                step=intent.row.step_idx,
                segments=lineage.segments,
                own=lineage.own,
                **intent.common,
            )
        )

    def _ack(self, agent: str, intent: Ack) -> Iterator[Draft]:
        check_ack(self._heads, self._session_id, agent, intent.tick)
        yield draft(TickAcked(tick=intent.tick, finished=intent.finished, **intent.common))
        if intent.finished and agent not in self._roster.finished:
            self._roster = self._roster.with_finished(agent)
            common = {**intent.common, "ref": derived_ref("agent.finished", intent.common["ref"])}
            yield draft(_of_roster(AgentFinished, self._roster, common))


def branch_at(heads: Heads, agent: str) -> str:
    """Return the branch that an agent works on, by the head of its lane; "main" at first."""
    state = heads[checkout_lane(agent)].state
    return MAIN_BRANCH if state is None else str(state["branch"])


def linked(event: ArtifactPublished, call: OpenCall) -> ArtifactPublished:
    """Return a result as the answer of a call; its tool is the call's if it names none."""
    return msgspec.structs.replace(
        event, parent_refs=(call.ref,), tool_name=event.tool_name or call.name or None
    )


def _unpaired(event: ArtifactPublished) -> ArtifactPublished:
    return msgspec.structs.replace(event, meta={**event.meta, "unpaired": True})


def _of_roster(kind: Callable[..., Event], roster: Roster, common: Fields) -> Event:
    return kind(agents=roster.agents, finished=roster.finished, **common)
