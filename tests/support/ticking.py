"""Sessions with agents, and agents that acknowledge ticks, for tests of the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.drafts import draft
from eventstore.errors import Conflict
from eventstore.events import (
    AgentFinished,
    AgentRegistered,
    SessionTicked,
    TickAcked,
    TickStalled,
)
from eventstore.refs import generate_ref
from eventstore.ticks import ack_ref, fold_ticks
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.events import Event
    from eventstore.store import EventStore
    from eventstore.ticks import Barrier


def add(store: EventStore, kind: type[Event], session: str, agent: str, **fields: Any) -> None:
    """Append one event of a session."""
    named = {"ref": generate_ref(), "ts": current_timestamp(), **fields}
    store.append(session, [draft(kind(session_id=session, agent_id=agent, **named))])


def register(store: EventStore, session: str, agents: Sequence[str]) -> None:
    """Append that agents joined a session, the last of them now."""
    add(store, AgentRegistered, session, agents[-1], agents=tuple(agents))


def finish(store: EventStore, session: str, agents: Sequence[str]) -> None:
    """Append that all agents of a session have finished."""
    add(store, AgentFinished, session, agents[-1], agents=tuple(agents), finished=tuple(agents))


def ack(store: EventStore, session: str, agent: str, tick: int) -> None:
    """Append that an agent did its part of a tick."""
    ref = ack_ref(session, tick, agent)
    add(store, TickAcked, session, agent, tick=tick, ref=ref, defaulted=("ts",))


def barrier(store: EventStore, session: str) -> Barrier:
    """Return where a session's ticks stand, from its events."""
    return fold_ticks(each.event for each in store.read(session))


def act(store: EventStore, session: str, upto: int) -> bool:
    """Do what every agent of a session is waited for; return whether tick `upto` is over."""
    now = barrier(store, session)
    for agent in now.waiting:
        try:
            ack(store, session, agent, now.tick)
        except Conflict:
            break
    return now.tick > upto or (now.tick == upto and now.is_over)


def ticks_of(store: EventStore, session: str) -> list[int]:
    """Return the ticks that were started, in the order of the log."""
    events = (each.event for each in store.read(session))
    return [event.tick for event in events if isinstance(event, SessionTicked)]


def stalls_of(store: EventStore, session: str) -> list[tuple[int, tuple[str, ...]]]:
    """Return the ticks that were given up, and without whom."""
    events = (each.event for each in store.read(session))
    return [(each.tick, each.stalled) for each in events if isinstance(each, TickStalled)]
