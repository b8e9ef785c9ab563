"""Starting, acknowledging and giving up ticks, and where they stand. All methods are flows.

Any number of drivers may act on a session: each decision expects what it read, so a tick is
started once and given up once, and never while an acknowledgement arrives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.deciding import Asked, Decision, deciding_agent, stamp
from eventstore.drafts import draft
from eventstore.errors import SessionNotFound
from eventstore.events import SessionTicked, TickAcked, TickStalled
from eventstore.flow import Flow, call
from eventstore.known_refs import known_positions
from eventstore.lanes import Heads, lane_heads
from eventstore.names import check_name
from eventstore.state_errors import SessionEnded, TickRefused
from eventstore.ticks import (
    ACK_LANE,
    AGENTS_LANE,
    DECIDED_BY,
    SESSION_LANE,
    TICK_LANE,
    Barrier,
    ack_ref,
    barrier_at,
    is_open_at,
    tick_at,
)

if TYPE_CHECKING:
    from eventstore.appending import Appender
    from eventstore.commands import Appended
    from eventstore.deciding import Deciding
    from eventstore.log import Log


class Ticking:
    """The operations on the ticks of sessions."""

    def __init__(self, log: Log, appender: Appender, deciding: Deciding) -> None:
        self._log = log
        self._appender = appender
        self._deciding = deciding

    def barrier(self, session_id: str) -> Flow[Barrier]:
        """Return where a session's ticks stand. Raises `SessionNotFound`."""
        _, barrier = yield from self._read(session_id)
        return barrier

    def start(
        self, session_id: str, after: int | None, agent_id: str | None, ref: str | None
    ) -> Flow[Barrier]:
        """Begin the next tick, for the agents that are live; return its barrier.

        `after` is the tick that it follows, by default the last. Raises `TickRefused` while that
        one waits for somebody, if another has begun since, and if no agent is live;
        `SessionEnded` if the session is closed.
        """
        common = {"session_id": session_id, "agent_id": deciding_agent(agent_id), **stamp()}

        def make(event_ref: str) -> Flow[Decision]:
            heads, barrier = yield from self._read(session_id)
            _check_open(heads, session_id)
            _check_start(barrier, session_id, after)
            event = SessionTicked(
                ref=event_ref, tick=barrier.tick + 1, agents=barrier.live, **common
            )
            # Who has acknowledged goes on having done so: that lane is not expected.
            return Decision(event, heads.expect(SESSION_LANE, AGENTS_LANE, TICK_LANE))

        asked: dict[str, object] = {"session_id": session_id}
        if after is not None:
            asked["tick"] = after + 1
        row = yield from self._deciding.decide(ref, Asked(SessionTicked, asked), make)
        recorded = yield from self._log.ready(lambda: self._log.find(row.ref))
        assert isinstance(recorded.event, SessionTicked)
        return Barrier(recorded.event.tick, recorded.event.agents, live=recorded.event.agents)

    def ack(self, session_id: str, agent_id: str, tick: int) -> Flow[Appended]:
        """Say that an agent has done its part of a tick; said again, nothing is added.

        Raises `TickRefused` unless the tick is the session's, and names the agent.
        """
        agent_id = check_name("agent_id", agent_id)
        keys = self._log.keys_of(session_id)
        heads = yield from self._log.ready(lambda: call(lane_heads(keys, session_id, [TICK_LANE])))
        event = TickAcked(
            ref=ack_ref(session_id, tick, agent_id),
            session_id=session_id,
            agent_id=agent_id,
            tick=tick,
            **stamp(),
        )
        try:
            check_ack(heads, session_id, agent_id, tick)
        except TickRefused:
            known = yield from self._log.ready(
                lambda: known_positions(self._log, keys, [event.ref])
            )
            if not known:
                raise
        # Acknowledgements commute, so they expect nothing: no two are in each other's way.
        (row,) = yield from self._appender.append(session_id, [draft(event)])
        return row

    def give_up(
        self, session_id: str, tick: int, agent_id: str | None, ref: str | None
    ) -> Flow[Appended]:
        """End a tick without those that it still waits for, naming them as stalled.

        Raises `TickRefused` if it waits for nobody, or is not the session's tick.
        """
        common = {"session_id": session_id, "agent_id": deciding_agent(agent_id), **stamp()}

        def make(event_ref: str) -> Flow[Decision]:
            heads, barrier = yield from self._read(session_id)
            if barrier.tick != tick:
                raise TickRefused(
                    session_id,
                    tick,
                    f"the session is at tick {barrier.tick}; only that one can be given up",
                )
            if not barrier.waiting:
                raise TickRefused(session_id, tick, "it waits for nobody; start the next one")
            event = TickStalled(
                ref=event_ref,
                tick=tick,
                agents=barrier.agents,
                stalled=barrier.waiting,
                **common,
            )
            # That somebody has not acknowledged yet is only true as long as nobody does.
            return Decision(event, heads.expect(AGENTS_LANE, TICK_LANE, ACK_LANE))

        asked = Asked(TickStalled, {"session_id": session_id, "tick": tick})
        return (yield from self._deciding.decide(ref, asked, make))

    def _read(self, session_id: str) -> Flow[tuple[Heads, Barrier]]:
        keys = self._log.keys_of(check_name("session_id", session_id))
        heads = yield from self._log.ready(lambda: call(lane_heads(keys, session_id, DECIDED_BY)))
        if heads.seq is None:
            raise SessionNotFound(session_id)
        ticked = tick_at(heads[TICK_LANE])
        if not ticked.agents:
            return heads, barrier_at(heads, ())
        refs = [ack_ref(session_id, ticked.tick, agent) for agent in ticked.agents]
        known = yield from self._log.ready(lambda: known_positions(self._log, keys, refs))
        acked = [agent for agent, ref in zip(ticked.agents, refs, strict=True) if ref in known]
        return heads, barrier_at(heads, acked)


def check_ack(heads: Heads, session_id: str, agent_id: str, tick: int) -> None:
    """Raise `TickRefused` unless an agent may acknowledge a tick, by the head of its lane."""
    ticked = tick_at(heads[TICK_LANE])
    if ticked.tick != tick:
        problem = f"the session is at tick {ticked.tick}"
    elif agent_id not in ticked.agents:
        problem = f"it does not name agent {agent_id!r}, who may take part from the next one on"
    elif agent_id in (ticked.stalled or ()):
        problem = f"it was given up without agent {agent_id!r}"
    else:
        return
    raise TickRefused(session_id, tick, f"{problem}; nothing was saved: discard the turn")


def _check_open(heads: Heads, session_id: str) -> None:
    if not is_open_at(heads[SESSION_LANE]):
        raise SessionEnded(session_id)


def _check_start(barrier: Barrier, session_id: str, after: int | None) -> None:
    """Raise `TickRefused` unless the tick behind `after`, or else behind the last, may begin."""
    tick = barrier.tick
    if after is not None and tick != after:
        problem = f"the session is at tick {tick}; start after that"
        raise TickRefused(session_id, after, problem)
    if barrier.waiting:
        waiting = ", ".join(map(repr, barrier.waiting))
        problem = f"it waits for {waiting}; have them acknowledge it, or give it up"
        raise TickRefused(session_id, tick, problem)
    if not barrier.live:
        problem = "no agent is registered and live; register one and save"
        raise TickRefused(session_id, tick + 1, problem)
