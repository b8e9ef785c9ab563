"""Ticks: barriers for the agents that are live, on both forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventstore import SessionNotFound
from eventstore.errors import InvalidInput
from eventstore.events import SessionTicked, TickAcked, TickStalled
from eventstore.sessions import Session
from eventstore.state_errors import AlreadyActed, SessionEnded, TickRefused
from eventstore.ticks import Barrier, fold_ticks

if TYPE_CHECKING:
    from support.buses import BusUnderTest
    from support.sessions import Clients

REF = "0123456789abcdef" * 2


@pytest.fixture
def session(clients: Clients) -> Session:
    """A session with agents "a" and "b"."""
    made = clients.session()
    for agent in ("a", "b"):
        made.register_agent(agent)
    made.save()
    return made


def ack(session: Session, agent: str, tick: int | None = None, *, finished: bool = False) -> None:
    session.ack(agent, tick, finished=finished)
    session.save()


def folded(tested: BusUnderTest) -> Barrier:
    return fold_ticks(each.event for each in tested.store.read("s"))


def test_a_tick_is_over_when_each_agent_has_acknowledged_it(
    tested: BusUnderTest, session: Session
) -> None:
    assert session.tick == 0
    started = session.start_tick()
    assert (started.tick, started.agents, started.waiting) == (1, ("a", "b"), ("a", "b"))
    assert session.tick == 1
    ack(session, "b")
    barrier = session.barrier()
    assert (barrier.acked, barrier.waiting, barrier.is_over) == (("b",), ("a",), False)
    with pytest.raises(TickRefused, match="tick 1: it waits for 'a'"):
        session.start_tick()
    ack(session, "a")
    assert session.barrier().is_over
    assert session.start_tick().tick == 2
    assert session.barrier() == folded(tested)


def test_a_tick_never_goes_back(tested: BusUnderTest, clients: Clients, session: Session) -> None:
    idle = clients.session()
    assert idle.tick == 0
    idle.stack_for("a").push("x")
    for tick in (1, 2, 3):
        session.start_tick()
        ack(session, "a")
        ack(session, "b")
        assert session.tick == tick
    idle.save()
    assert (idle.tick, session.tick, clients.session().tick) == (3, 3, 3)
    assert vars(Session)["tick"].fset is None


def test_a_turn_and_its_ack_are_one_batch(
    tested: BusUnderTest, clients: Clients, session: Session
) -> None:
    session.start_tick()
    twin = clients.session()
    for worker in (session, twin):
        worker.stack_for("a").push("turn")
        worker.ack("a")
    session.save()
    before = tested.events
    with pytest.raises(AlreadyActed, match="agent 'a' has done its part of tick 1 before"):
        twin.save()
    assert tested.events == before
    assert [e.event.kind for e in tested.store.read("s")][-2:] == [
        "artifact.published",
        "tick.acked",
    ]


def test_an_ack_alone_is_the_same_whoever_sends_it(
    tested: BusUnderTest, clients: Clients, session: Session
) -> None:
    session.start_tick()
    ack(session, "a")
    before = tested.events
    ack(clients.session(), "a")
    assert tested.events == before
    with pytest.raises(AlreadyActed):
        ack(clients.session(), "a", finished=True)
    session.ack("b")
    with pytest.raises(AlreadyActed):
        session.ack("b")


def test_an_agent_that_finished_is_waited_for_no_more(
    tested: BusUnderTest, session: Session
) -> None:
    session.start_tick()
    ack(session, "a", finished=True)
    ack(session, "b")
    assert session.agents == ["a", "b"]
    assert session.start_tick().agents == ("b",)
    ack(session, "b", finished=True)
    with pytest.raises(TickRefused, match="no agent is registered and live"):
        session.start_tick()
    session.register_agent("a")
    session.save()
    assert session.start_tick().agents == ("a",)
    assert session.barrier() == folded(tested)


def test_an_agent_that_finishes_or_leaves_does_not_hold_up_its_tick(
    tested: BusUnderTest, clients: Clients, session: Session
) -> None:
    session.start_tick()
    session.unregister_agent("a")
    session.save()
    barrier = session.barrier()
    assert (barrier.gone, barrier.waiting) == (("a",), ("b",))
    ack(clients.session(), "b")
    assert session.start_tick().agents == ("b",)
    assert session.barrier() == folded(tested)


def test_a_tick_that_stalls_names_who_did_not_come(
    tested: BusUnderTest, clients: Clients, session: Session
) -> None:
    session.start_tick()
    ack(session, "a")
    late = clients.session()
    late.stack_for("b").push("too late")
    late.ack("b")
    row = session.give_up_tick(1)
    event = tested.store.get(row.ref).event
    assert isinstance(event, TickStalled)
    assert (event.tick, event.agents, event.stalled) == (1, ("a", "b"), ("b",))
    barrier = session.barrier()
    assert (barrier.stalled, barrier.is_over) == (("b",), True)
    with pytest.raises(TickRefused, match="it was given up without agent 'b'"):
        late.save()
    with pytest.raises(TickRefused, match="it waits for nobody"):
        session.give_up_tick(1)
    assert session.start_tick().agents == ("a", "b")
    with pytest.raises(TickRefused, match="tick 1: the session is at tick 2"):
        late.save()
    assert session.barrier() == folded(tested)


def test_a_tick_is_started_once_whoever_tries(
    tested: BusUnderTest, clients: Clients, session: Session
) -> None:
    session.start_tick(0, ref=REF)
    with pytest.raises(TickRefused, match="tick 0: the session is at tick 1"):
        clients.session().start_tick(0)
    assert session.start_tick(0, ref=REF).tick == 1
    ticks = [e for e in tested.store.read("s") if isinstance(e.event, SessionTicked)]
    assert len(ticks) == 1


def test_an_ack_names_an_agent_of_the_tick(
    tested: BusUnderTest, clients: Clients, session: Session
) -> None:
    session.start_tick()
    session.register_agent("c")
    session.save()
    with pytest.raises(TickRefused, match="tick 1: it does not name agent 'c'"):
        ack(session, "c")
    session.discard()
    with pytest.raises(TickRefused, match="tick 2: the session is at tick 1"):
        ack(session, "a", 2)
    session.discard()
    with pytest.raises(InvalidInput, match=r"^tick: "):
        session.ack("a", "1")  # type: ignore[arg-type]
    assert not [e for e in tested.store.read("s") if isinstance(e.event, TickAcked)]


def test_a_closed_session_is_not_ticked(
    tested: BusUnderTest, clients: Clients, session: Session
) -> None:
    session.close()
    assert not session.barrier().is_open
    with pytest.raises(SessionEnded):
        session.start_tick()
    with pytest.raises(SessionNotFound):
        clients.session("none").start_tick()
    with pytest.raises(SessionNotFound):
        clients.session("none").barrier()
    assert session.barrier() == folded(tested)
