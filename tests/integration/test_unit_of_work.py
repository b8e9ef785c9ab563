"""Units of work and ticks that others overtake, and saves whose replies are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.interleaving import before_appends
from support.proxy import LossyProxy
from support.stores import make_settings, open_store
from support.wait import until

from eventstore.amending import UNCHANGED
from eventstore.bus import EventBus
from eventstore.errors import StoreUnreachable
from eventstore.events import ArtifactAmended, ArtifactPublished, SessionTicked
from eventstore.intents import Ack
from eventstore.operations import Operations
from eventstore.sessions import Session
from eventstore.state_errors import (
    AgentNotRegistered,
    AlreadyActed,
    SessionEnded,
    StackMoved,
    TickRefused,
)
from eventstore.store import EventStore
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import PrivateServer

    from eventstore.session_core import SessionCore


@pytest.fixture
def bus(server: PrivateServer, namespace: str) -> Iterator[EventBus]:
    with open_store(server, namespace) as store:
        yield EventBus(store)


def started(bus: EventBus, *agents: str) -> Session:
    session = Session(bus, "s")
    for agent in agents:
        session.register_agent(agent)
    session.save()
    return session


def overtaken(session: Session, *acts: Callable[[], object]) -> list[Any]:
    """Save a session's unit of work while others act between what it reads and its append."""
    core: SessionCore = session._core
    return session._run(before_appends(core.save(), acts))


class TestWriteSkew:
    """What a decision read changes before it is appended; each lane it read counts."""

    def test_an_agent_registers_between_a_ticks_reads_and_its_append(self, bus: EventBus) -> None:
        session = started(bus, "a")
        core: SessionCore = session._core
        flow = core.ticking.start("s", None, None, None)
        session._run(before_appends(flow, [lambda: started(bus, "b")]))
        event = bus.store.read("s")[-1].event
        assert isinstance(event, SessionTicked)
        assert event.agents == ("a", "b")

    def test_two_drivers_start_a_tick(self, bus: EventBus) -> None:
        session = started(bus, "a")
        core: SessionCore = session._core
        flow = core.ticking.start("s", 0, None, None)
        with pytest.raises(TickRefused, match="the session is at tick 1"):
            session._run(before_appends(flow, [lambda: Session(bus, "s").start_tick(0)]))
        assert session.tick == 1

    def test_acks_at_once_are_appended_at_the_first_try(self, bus: EventBus) -> None:
        agents = [f"agent {number}" for number in range(8)]
        session = started(bus, *agents)
        session.start_tick()
        tries: list[str] = []

        def acked(agent: str) -> Callable[[], object]:
            def act() -> None:
                tries.append(agent)
                other = Session(bus, "s")
                other.ack(agent)
                other.save()

            return act

        session.ack(agents[0])
        overtaken(session, *(acked(agent) for agent in agents[1:]))
        assert tries == agents[1:2], "no ack was decided again"
        for agent in agents[2:]:
            acked(agent)()
        assert session.barrier().is_over

    def test_an_ack_arrives_while_its_tick_is_given_up(self, bus: EventBus) -> None:
        session, other = started(bus, "a", "b"), Session(bus, "s")
        session.start_tick()
        other.ack("a")
        core: SessionCore = session._core
        flow = core.ticking.give_up("s", 1, None, None)
        session._run(before_appends(flow, [other.save]))
        assert session.barrier().stalled == ("b",)

    def test_the_last_ack_arrives_while_its_tick_is_given_up(self, bus: EventBus) -> None:
        session, other = started(bus, "a"), Session(bus, "s")
        session.start_tick()
        other.ack("a")
        core: SessionCore = session._core
        flow = core.ticking.give_up("s", 1, None, None)
        with pytest.raises(TickRefused, match="it waits for nobody"):
            session._run(before_appends(flow, [other.save]))
        assert session.barrier().stalled is None

    def test_two_agents_join_at_once(self, bus: EventBus) -> None:
        session = Session(bus, "s")
        session.register_agent("a")
        overtaken(session, lambda: started(bus, "b"))
        assert session.agents == ["b", "a"]

    def test_the_agent_leaves(self, bus: EventBus) -> None:
        session, other = started(bus, "a"), Session(bus, "s")
        session.stack_for("a").push("x")
        other.unregister_agent("a")
        with pytest.raises(AgentNotRegistered):
            overtaken(session, other.save)

    def test_the_session_is_closed(self, bus: EventBus) -> None:
        session = started(bus, "a")
        session.stack_for("a").push("x")
        with pytest.raises(SessionEnded):
            overtaken(session, Session(bus, "s").close)

    def test_the_agent_is_checked_out(self, bus: EventBus) -> None:
        session = started(bus, "a")
        session.stack_for("a").push("x")
        session.save()
        bus.fork("s", at=0, name="b")
        session.stack_for("a").push("y")
        with pytest.raises(StackMoved):
            overtaken(session, lambda: bus.checkout("s", "b", agent_id="a"))

    def test_the_branch_is_rewound_below_what_is_popped(self, bus: EventBus) -> None:
        session = started(bus, "a")
        session.stack_for("a").push("x", "y")
        session.save()
        session.stack_for("a").pop()
        with pytest.raises(StackMoved):
            overtaken(session, lambda: bus.rewind("s", to=0))

    def test_another_row_is_pushed_while_one_is_popped(self, bus: EventBus) -> None:
        session, other = started(bus, "a", "b"), Session(bus, "s")
        session.stack_for("a").push("x")
        session.save()
        session.stack_for("a").pop()
        other.stack_for("b").push("y")
        overtaken(session, other.save)
        event: Any = bus.store.read("s")[-1].event
        assert (event.segments, event.own) == ((("main", 1, 1),), 2)

    def test_the_call_is_answered_by_another(self, bus: EventBus) -> None:
        session, other = started(bus, "a"), Session(bus, "s")
        call = ({"type": "tool_call"}, {"id": "1", "name": "f"})
        result = ({"type": "tool_result", "tool_call_id": "1"}, "answer")
        first, second = session.stack_for("a").push(call, call)
        session.save()
        session.stack_for("a").push(result)
        other.stack_for("a").push(result)
        overtaken(session, other.save)
        results = [
            each.event.parent_refs
            for each in bus.store.read("s")
            if isinstance(each.event, ArtifactPublished) and each.event.type == "tool_result"
        ]
        assert results == [(second,), (first,)]

    def test_pushes_do_not_hinder_each_other(self, bus: EventBus) -> None:
        session, other = started(bus, "a", "b"), Session(bus, "s")
        session.stack_for("a").push("x")
        other.stack_for("b").push("y")
        tries: list[None] = []

        def act() -> None:
            tries.append(None)
            other.save()

        overtaken(session, act, act)
        assert len(tries) == 1, "nothing was decided again"


def test_a_save_whose_reply_was_lost_finds_its_own_events(
    server: PrivateServer, namespace: str, bus: EventBus
) -> None:
    settings = make_settings(server, namespace, publish_timeout=1e-6)
    with LossyProxy(server.socket_path) as proxy:
        with EventBus(EventStore(proxy.settings(settings))) as through:
            session = started(through, "a")
            session.stack_for("a").push("x", "y")
            session.save()
            stack = session.stack_for("a")
            stack.pop()
            stack.push("z")
            proxy.lose_reply("append")
            with pytest.raises(StoreUnreachable):
                session.save()
            assert (proxy.lost, session.pending) == (1, 2)
            rows = session.save()
            assert session.pending == 0
        assert [row.step_idx for row in rows] == [0, 2]
    assert [each.event.kind for each in bus.store.read("s")][-2:] == [
        "branch.popped",
        "artifact.published",
    ]


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_what_comes_with_an_ack_that_another_made_is_refused_and_not_forgotten(
    bus: EventBus, is_cancelled: bool
) -> None:
    session, other = started(bus, "a"), Session(bus, "s")
    session.start_tick()
    session.register_agent("b")
    session.ack("a")
    if is_cancelled:
        cut_short(session)
    # The clock of event times has moved on: acks of one agent in one millisecond are one.
    intent = session._core.intents[-1]
    assert isinstance(intent, Ack)
    until(lambda: current_timestamp() > intent.common["ts"])
    other.ack("a")
    other.save()
    with pytest.raises(AlreadyActed):
        session.save()
    assert (session.pending, Session(bus, "s").agents) == (2, ["a"])


def cut_short(session: Session) -> None:
    """Give a save up just before its append is sent, as a cancellation does."""
    core: SessionCore = session._core
    flow = core.save()

    def cancel() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session._run(before_appends(flow, [cancel]))
    flow.close()
    assert core._is_uncertain


def test_two_amendments_at_once_lose_no_change(bus: EventBus) -> None:
    header = {"session_id": "s", "agent_id": "a", "type": "state"}
    ref = bus.publish(header, {"text": "wrong"}).ref
    amend = Operations(
        bus.store.parts.log, bus.store.parts.appender, bus.store.parts.payloads
    ).amending.amend
    flow = amend(ref, {"role": "user"}, UNCHANGED, None, None, None)
    bus.store.runner.run(
        before_appends(flow, [lambda: bus.amend(ref, {"status": "ok"}, {"text": "right"})])
    )
    found, payload = bus.get(ref)
    assert (found["role"], found["status"], payload) == ("user", "ok", {"text": "right"})
    first, second = (each.event for each in bus.store.read("s")[1:])
    assert isinstance(second, ArtifactAmended)
    assert second.previous == first.ref
