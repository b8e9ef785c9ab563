"""Ticks: the barrier that a tick is, from lane heads or from the events themselves. Pure.

A tick names the agents that were live when it began: registered and not finished. It is over
when each of them has acknowledged it, finished or left, or when it was given up as stalled.
Acknowledgements commute: an ack's ref follows from session, tick and agent, so that each is there
once, whoever sends it and however often.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from eventstore.events import (
    AgentFinished,
    AgentRegistered,
    AgentUnregistered,
    SessionClosed,
    SessionOpened,
    SessionTicked,
    TickAcked,
    TickStalled,
)
from eventstore.refs import derived_ref

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from eventstore.events import Event
    from eventstore.lanes import Heads, LaneHead

SESSION_LANE: Final = SessionOpened.LANE
AGENTS_LANE: Final = AgentRegistered.LANE
TICK_LANE: Final = SessionTicked.LANE
ACK_LANE: Final = TickAcked.LANE
DECIDED_BY: Final = (SESSION_LANE, AGENTS_LANE, TICK_LANE, ACK_LANE)
"""The lanes that say where a session's ticks stand."""


@dataclass(frozen=True)
class Roster:
    """The agents of a session, in the order in which they joined, and those that have finished."""

    agents: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()

    @property
    def live(self) -> tuple[str, ...]:
        """The agents that the next tick names."""
        return tuple(agent for agent in self.agents if agent not in self.finished)

    def with_agent(self, agent_id: str) -> Roster:
        """Return the roster with an agent that is live, at the end if it is new."""
        agents = self.agents if agent_id in self.agents else (*self.agents, agent_id)
        return Roster(agents, _without(self.finished, agent_id))

    def without_agent(self, agent_id: str) -> Roster:
        """Return the roster without an agent."""
        return Roster(_without(self.agents, agent_id), _without(self.finished, agent_id))

    def with_finished(self, agent_id: str) -> Roster:
        """Return the roster with an agent of it that has finished."""
        return Roster(self.agents, (*_without(self.finished, agent_id), agent_id))


@dataclass(frozen=True)
class Barrier:
    """Where a session's ticks stand.

    `tick` counts from 1, 0 before the first; `agents` are those it names, `acked` those that did
    their part, `gone` those that finished or left since, `stalled` those without which the tick
    was given up, None while it was not. `live` are the agents that the next tick would name.
    """

    tick: int = 0
    agents: tuple[str, ...] = ()
    acked: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    stalled: tuple[str, ...] | None = None
    live: tuple[str, ...] = ()
    is_open: bool = True

    @property
    def waiting(self) -> tuple[str, ...]:
        """The agents that the tick waits for; none once it is over."""
        if self.stalled is not None:
            return ()
        done = {*self.acked, *self.gone}
        return tuple(agent for agent in self.agents if agent not in done)

    @property
    def is_over(self) -> bool:
        """Whether the tick waits for nobody, so that the next may begin."""
        return not self.waiting


def roster_at(head: LaneHead) -> Roster:
    """Return the agents that the head of the lane `agents` says."""
    if head.state is None:
        return Roster()
    return Roster(tuple(head.state["agents"]), tuple(head.state.get("finished", ())))


def is_open_at(head: LaneHead) -> bool:
    """Return whether the head of the lane `session` says that the session goes on."""
    return head.state is None or bool(head.state["open"])


def tick_at(head: LaneHead) -> Barrier:
    """Return what the head of the lane `tick` says of the last tick; not who acknowledged it."""
    if head.state is None:
        return Barrier()
    stalled = head.state.get("stalled")
    return Barrier(
        tick=head.state["tick"],
        agents=tuple(head.state["agents"]),
        stalled=None if stalled is None else tuple(stalled),
    )


def barrier_at(heads: Heads, acked: Collection[str]) -> Barrier:
    """Return where ticks stand, by the heads of the lanes `DECIDED_BY` and the acks of the tick."""
    roster = roster_at(heads[AGENTS_LANE])
    ticked = tick_at(heads[TICK_LANE])
    return _placed(ticked, roster, acked, is_open=is_open_at(heads[SESSION_LANE]))


def _placed(ticked: Barrier, roster: Roster, acked: Collection[str], *, is_open: bool) -> Barrier:
    return replace(
        ticked,
        acked=tuple(agent for agent in ticked.agents if agent in acked),
        gone=tuple(agent for agent in ticked.agents if agent not in roster.live),
        live=roster.live,
        is_open=is_open,
    )


@dataclass(frozen=True)
class TickFold:
    """The same from a session's events, one after the other, for whoever follows the log."""

    roster: Roster = Roster()
    ticked: Barrier = Barrier()
    acked: frozenset[str] = frozenset()
    is_open: bool = True

    def after(self, event: Event) -> TickFold:
        """Return the fold after one more event of the session; an ack of an older tick is late."""
        if isinstance(event, SessionOpened | SessionClosed):
            return replace(self, is_open=isinstance(event, SessionOpened))
        if isinstance(event, AgentRegistered | AgentUnregistered | AgentFinished):
            return replace(self, roster=Roster(event.agents, event.finished))
        if isinstance(event, SessionTicked):
            return replace(self, ticked=Barrier(event.tick, event.agents), acked=frozenset())
        if isinstance(event, TickStalled):
            return replace(self, ticked=replace(self.ticked, stalled=event.stalled))
        if isinstance(event, TickAcked) and event.tick == self.ticked.tick:
            return replace(self, acked=self.acked | {event.agent_id})
        return self

    @property
    def barrier(self) -> Barrier:
        """Where the session's ticks stand after the events so far."""
        return _placed(self.ticked, self.roster, self.acked, is_open=self.is_open)


def fold_ticks(events: Iterable[Event]) -> Barrier:
    """Return where a session's ticks stand after its events, in their order."""
    fold = TickFold()
    for event in events:
        fold = fold.after(event)
    return fold.barrier


def ack_ref(session_id: str, tick: int, agent_id: str) -> str:
    """Return the ref of an agent's acknowledgement of a tick."""
    return derived_ref("tick.acked", session_id, str(tick), agent_id)


def _without(agents: tuple[str, ...], agent_id: str) -> tuple[str, ...]:
    return tuple(agent for agent in agents if agent != agent_id)
