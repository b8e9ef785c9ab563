"""Pops: one row is hidden, whatever stands above it, on both forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventstore import BranchNotFound
from eventstore.events import BranchPopped
from eventstore.state_errors import NotOnStack, StackMoved

if TYPE_CHECKING:
    from support.buses import BusUnderTest
    from support.sessions import Clients

    from eventstore.sessions import Session
    from eventstore.stacks import Stack


def stack_of(session: Session, agent: str = "a") -> Stack:
    session.register_agent(agent)
    return session.stack_for(agent)


def payloads(stack: Stack) -> list[Any]:
    return [payload for _, payload in stack.iter_last_n(99)]


class TestPop:
    def test_the_agents_last_row_whatever_stands_above_it(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        stack, other = stack_of(session), stack_of(session, "b")
        stack.push("a0", "a1")
        other.push("b0")
        session.save()
        tested.project()
        assert stack.pop().payload == "a1"
        assert payloads(stack) == ["a0"]
        assert [payload for _, payload in tested.bus.history("s")] == ["a0", "a1", "b0"]
        (row,) = session.save()
        tested.project()
        assert [payload for _, payload in tested.bus.history("s")] == ["a0", "b0"]
        assert [header["depth"] for header, _ in tested.bus.history("s")] == [0, 1]
        assert payloads(clients.session().stack_for("a")) == ["a0"]
        event = tested.store.get(row.ref).event
        assert isinstance(event, BranchPopped)
        assert (event.agent_id, event.step) == ("a", 1)

    def test_what_was_popped_stays_readable(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()
        stack = stack_of(session)
        stack.push("x", "y")
        session.save()
        seq = len(tested.store.read("s")) - 1
        tested.bus.fork("s", at=1, name="b")
        popped = stack.pop()
        session.save()
        tested.project()
        assert tested.bus.get(popped.header["ref"]).payload == "y"
        assert [payload for _, payload in tested.bus.search("s", order="asc")] == ["x", "y"]
        assert [payload for _, payload in tested.bus.as_of("s", seq=seq)] == ["x", "y"]
        assert [payload for _, payload in tested.bus.history("s", "b")] == ["x", "y"]

    def test_a_row_that_waits_is_taken_back(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()
        stack = stack_of(session)
        stack.push("x", "y")
        assert stack.pop().payload == "y"
        session.save()
        assert [each.event.kind for each in tested.store.read("s")] == [
            "agent.registered",
            "artifact.published",
        ]

    def test_one_batch_replaces_the_top(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()
        stack = stack_of(session)
        stack.push("x", "waiting")
        session.save()
        tested.project()
        stack.pop()
        stack.push("result")
        assert payloads(stack) == ["x", "result"]
        session.save()
        tested.project()
        assert payloads(stack) == ["x", "result"]
        assert [stack.pop().payload for _ in range(2)] == ["result", "x"]
        with pytest.raises(NotOnStack):
            stack.pop()
        session.save()
        tested.project()
        assert (stack.length(), tested.bus.history("s")) == (0, [])

    def test_an_inherited_row_is_hidden_on_the_branch_alone(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        stack = stack_of(session)
        stack.push("x", "y")
        session.save()
        tested.bus.fork("s", at=1, name="b")
        stack.checkout("b")
        assert stack.pop().payload == "y"
        session.save()
        tested.project()
        assert payloads(stack) == ["x"]
        assert [payload for _, payload in tested.bus.history("s")] == ["x", "y"]

    def test_another_row_than_the_one_that_was_seen_is_not_hidden(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        stack_of(session).push("x")
        session.save()
        stack = session.stack_for("a")
        stack.pop()
        header = {"session_id": "s", "agent_id": "a", "type": "state"}
        tested.bus.publish(header, "pushed between")
        before = tested.events
        with pytest.raises(StackMoved, match="its last row on 'main' is not"):
            session.save()
        with pytest.raises(StackMoved):
            stack.pop()
        assert tested.events == before
        session.discard()
        assert session.stack_for("a").pop().payload == "pushed between"

    def test_others_rows_between_do_not_hinder(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        stack = stack_of(session)
        stack.push("x")
        session.save()
        stack.pop()
        header = {"session_id": "s", "agent_id": "b", "type": "state"}
        tested.bus.publish(header, "pushed between")
        session.save()
        tested.project()
        assert [payload for _, payload in tested.bus.history("s")] == ["pushed between"]

    def test_an_unknown_branch_is_not_checked_out(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        stack = stack_of(session)
        stack.checkout("nobranch")
        with pytest.raises(BranchNotFound):
            stack.pop()
        with pytest.raises(BranchNotFound):
            session.save()
        assert tested.events == 0
