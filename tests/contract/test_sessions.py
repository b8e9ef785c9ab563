"""Sessions as a unit of work: agents, opening and closing, saving, on both forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventstore import SessionNotFound
from eventstore.errors import InvalidInput, InvalidName
from eventstore.state_errors import AgentNotRegistered, SessionEnded, StackMoved

if TYPE_CHECKING:
    from support.buses import BusUnderTest
    from support.sessions import Clients


def kinds(tested: BusUnderTest) -> list[str]:
    return [each.event.kind for each in tested.store.read("s")]


class TestAgents:
    def test_the_calls_of_the_spec(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session("conversation")
        session.register_agent("agent_alpha")
        stack = session.stack_for("agent_alpha")
        assert session.tick == 0
        assert session.save()
        assert (stack.agent_id, stack.branch) == ("agent_alpha", "main")
        assert session.agents == ["agent_alpha"]

    def test_nothing_is_written_before_the_save(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session, other = clients.session(), clients.session()
        session.register_agent("a")
        assert (session.agents, other.agents, session.pending) == (["a"], [], 1)
        assert tested.events == 0
        session.save()
        assert (session.agents, other.agents, session.pending) == (["a"], ["a"], 0)
        assert session.save() == []
        assert tested.events == 1

    def test_agents_join_leave_and_come_back(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()
        for agent in ("a", "b", "c"):
            session.register_agent(agent)
        session.save()
        session.unregister_agent("a")
        assert session.agents == ["b", "c"]
        session.register_agent("a")
        session.save()
        assert clients.session().agents == ["b", "c", "a"]
        assert kinds(tested) == [
            *["agent.registered"] * 3,
            "agent.unregistered",
            "agent.registered",
        ]

    def test_what_holds_already_is_no_event(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()
        session.register_agent("a")
        session.register_agent("a")
        session.unregister_agent("nobody")
        assert len(session.save()) == 1
        session.register_agent("a")
        assert session.save() == []
        assert tested.events == 1

    def test_an_agent_that_is_not_registered_is_named(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        session.register_agent("a")
        with pytest.raises(AgentNotRegistered, match=r"no agent 'b' \(registered: 'a'\)"):
            session.stack_for("b")
        with pytest.raises(AgentNotRegistered, match="registered: none"):
            clients.session("other").stack_for("b")
        with pytest.raises(InvalidName, match="agent_id"):
            session.register_agent("")
        assert tested.events == 0

    def test_membership_never_goes_stale(self, tested: BusUnderTest, clients: Clients) -> None:
        session, other = clients.session(), clients.session()
        session.register_agent("a")
        session.save()
        stack = session.stack_for("a")
        stack.push("x")
        other.unregister_agent("a")
        other.save()
        with pytest.raises(AgentNotRegistered):
            session.save()
        assert session.pending == 1
        assert kinds(tested) == ["agent.registered", "agent.unregistered"]


class TestSaving:
    def test_a_unit_is_one_batch(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()
        session.register_agent("a")
        session.register_agent("b")
        session.stack_for("a").push("x", "y")
        session.stack_for("b").push("z")
        rows = session.save()
        assert [row.seq for row in rows] == [0, 1, 2, 3, 4]
        assert [row.position for row in rows] == [1, 2, 3, 4, 5]
        ats = {each.appended_at for each in tested.store.read("s")}
        assert len(ats) == 1

    def test_a_block_saves_at_its_end(self, tested: BusUnderTest, clients: Clients) -> None:
        with clients.session() as session:
            session.register_agent("a")
            assert tested.events == 0
        assert tested.events == 1

    def test_a_block_that_raises_discards(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()

        def work() -> None:
            with session:
                session.register_agent("a")
                raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            work()
        assert (tested.events, session.pending) == (0, 0)

    def test_a_block_that_is_refused_can_be_run_again(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session, other = clients.session(), clients.session()
        other.register_agent("a")
        other.save()

        def work(*, moves: bool) -> None:
            with session:
                session.stack_for("a").push("x")
                if moves:
                    tested.bus.checkout("s", "b", agent_id="a")

        tested.bus.publish({"session_id": "s", "agent_id": "x", "type": "state"}, 0)
        tested.bus.fork("s", at=0, name="b")
        with pytest.raises(StackMoved):
            work(moves=True)
        assert session.pending == 0
        work(moves=False)
        tested.project()
        assert [row.payload for row in tested.bus.history("s", "b")] == [0, "x"]

    def test_what_is_impossible_appends_nothing_and_goes_on_waiting(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        session.register_agent("a")
        session.save()
        stack = session.stack_for("a")
        tested.bus.publish({"session_id": "s", "agent_id": "x", "type": "state"}, 0)
        tested.bus.fork("s", at=0, name="b")
        stack.push("x")
        tested.bus.checkout("s", "b", agent_id="a")
        before = tested.events
        with pytest.raises(StackMoved, match="works on branch 'b' now, not on 'main'"):
            session.save()
        assert (tested.events, session.pending) == (before, 1)
        session.discard()
        session.stack_for("a").push("x")
        (row,) = session.save()
        assert tested.store.get(row.ref).event.branch_id == "b"

    def test_a_unit_has_its_limit(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()
        session.register_agent("a")
        session.stack_for("a").push(*range(500))
        with pytest.raises(InvalidInput, match=r"^save: .* at most 500 events, this one 501"):
            session.save()
        assert tested.events == 0


class TestLife:
    def test_a_session_is_opened_and_closed_once(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        session.register_agent("a")
        session.open("A title")
        session.open("Another")
        session.close("done")
        session.close("again")
        assert kinds(tested) == ["agent.registered", "session.opened", "session.closed"]
        events: Any = [each.event for each in tested.store.read("s")]
        assert (events[1].title, events[2].reason) == ("A title", "done")

    def test_a_closed_session_takes_nothing_until_it_is_opened(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session, late = clients.session(), clients.session()
        session.register_agent("a")
        session.save()
        late.stack_for("a").push("too late")
        session.close()
        with pytest.raises(SessionEnded, match="session 's' is closed; `eventstore session open`"):
            late.save()
        session.register_agent("b")
        with pytest.raises(SessionEnded):
            session.save()
        session.discard()
        session.open()
        late.save()
        assert kinds(tested)[-2:] == ["session.opened", "artifact.published"]

    def test_what_does_not_exist_is_not_closed(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        with pytest.raises(SessionNotFound):
            session.close()
        session.discard()
        with pytest.raises(InvalidInput, match="title"):
            session.open(3)  # type: ignore[arg-type]
        assert tested.events == 0
