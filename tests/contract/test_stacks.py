"""Stacks: push, pop, reads of what is saved and of what waits, on both forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventstore import RefConflict
from eventstore.errors import InvalidEvent, InvalidInput, InvalidName
from eventstore.state_errors import NotOnStack

if TYPE_CHECKING:
    from support.buses import BusUnderTest
    from support.sessions import Clients

    from eventstore.sessions import Session
    from eventstore.stacks import Stack

REF = "0123456789abcdef" * 2


def stack_of(session: Session, agent: str = "a") -> Stack:
    session.register_agent(agent)
    return session.stack_for(agent)


def payloads(stack: Stack, n: int = 99) -> list[Any]:
    return [payload for _, payload in stack.iter_last_n(n)]


class TestPush:
    def test_rows_are_there_at_once_and_for_all_after_the_save(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        stack = stack_of(session)
        refs = stack.push("x", {"text": "y"})
        assert (stack.length(), payloads(stack)) == (2, ["x", {"text": "y"}])
        current = stack.current()
        assert current is not None
        assert current.header["ref"] == refs[1]
        assert "step_idx" not in current.header
        session.save()
        tested.project()
        other = clients.session().stack_for("a")
        assert (other.length(), payloads(other)) == (2, ["x", {"text": "y"}])
        current = other.current()
        assert current is not None
        assert (current.header["ref"], current.header["step_idx"]) == (refs[1], 1)

    def test_a_row_is_an_artifact(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()
        stack = stack_of(session)
        header = {"type": "tool_call", "meta": {"tags": ["t"]}, "ref": REF}
        with tested.bus.bind(correlation_id="c1", session_id="other", agent_id="other"):
            assert stack.push((header, {"id": "1", "name": "f", "arguments": {}})) == [REF]
        session.save()
        found, payload = tested.bus.get(REF)
        assert (found["session_id"], found["agent_id"], found["branch_id"]) == ("s", "a", "main")
        assert (found["tool_name"], found["tool_call_id"]) == ("f", "1")
        assert found["correlation_id"] == "c1"
        assert payload["arguments"] == {}

    def test_all_are_checked_before_the_first_is_taken(self, clients: Clients) -> None:
        stack = stack_of(session := clients.session())
        wrong: list[tuple[Any, str]] = [
            ({"a": float("nan")}, r"^states\[1\]\.payload\.a: "),
            (
                ({"type": "metrics"}, 1),
                r"^states\[1\]\.header\.type: a stack has rows of the types",
            ),
            (({"agent_id": "b"}, 1), r"^states\[1\]\.header\.agent_id: is that of the stack, 'a'"),
            (({"branch_id": "b"}, 1), r"^states\[1\]\.header\.branch_id: "),
            (({"nonsense": 1}, 1), r"^states\[1\]\.header\.nonsense: "),
            ((1, 2), r"^states\[1\]\.header: is a mapping, not int"),
        ]
        for state, said in wrong:
            with pytest.raises(InvalidEvent, match=said):
                stack.push("fine", state)
        with pytest.raises(InvalidName, match=r"^states\[0\]\.header\.meta\.tags\[0\]"):
            stack.push(({"meta": {"tags": [""]}}, 1))
        assert (stack.length(), session.pending) == (0, 1)

    def test_refs_of_the_callers_are_told_when_they_are_known(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        header = {"session_id": "s", "agent_id": "a", "type": "state", "ref": REF}
        tested.bus.publish(header, "one")
        session = clients.session()
        stack_of(session).push(({"ref": REF}, "other"))
        with pytest.raises(RefConflict):
            session.save()
        assert tested.events == 1

    def test_whoever_published_a_row_of_the_agent(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        session = clients.session()
        stack_of(session).push("pushed")
        session.save()
        for agent, type_ in (("a", "state"), ("b", "state"), ("a", "metrics"), ("a", "evaluation")):
            header = {"session_id": "s", "agent_id": agent, "type": type_}
            tested.bus.publish(header, {"by": agent})
        tested.project()
        assert payloads(session.stack_for("a")) == ["pushed", {"by": "a"}]


class TestReads:
    @pytest.fixture
    def stack(self, tested: BusUnderTest, clients: Clients) -> Stack:
        """A stack of four saved rows, below and above those of another, and two that wait."""
        session = clients.session()
        stack, other = stack_of(session), stack_of(session, "b")
        for n in range(4):
            stack.push(n)
            other.push(f"b{n}")
        session.save()
        tested.project()
        stack.push(4, 5)
        return stack

    def test_places(self, stack: Stack) -> None:
        assert stack.length() == 6
        assert [stack.at(depth).payload for depth in range(6)] == list(range(6))
        assert [stack.at(-n).payload for n in range(1, 7)] == [5, 4, 3, 2, 1, 0]
        for depth in (6, -7, 99):
            with pytest.raises(NotOnStack, match=f"depth {depth} is not among 0-5"):
                stack.at(depth)
        with pytest.raises(InvalidInput, match="depth"):
            stack.at("0")  # type: ignore[arg-type]

    def test_the_last_so_many(self, stack: Stack) -> None:
        assert [payloads(stack, n) for n in (0, 1, 2, 3, 6, 99)] == [
            [],
            [5],
            [4, 5],
            [3, 4, 5],
            [0, 1, 2, 3, 4, 5],
            [0, 1, 2, 3, 4, 5],
        ]

    def test_an_empty_stack(self, tested: BusUnderTest, clients: Clients) -> None:
        stack = stack_of(clients.session("new"))
        assert (stack.length(), stack.current(), payloads(stack)) == (0, None, [])
        assert stack.last_assistant_message() is None
        with pytest.raises(NotOnStack, match="it has no rows"):
            stack.at(0)
        with pytest.raises(NotOnStack, match="there is no row to pop"):
            stack.pop()

    def test_a_fork_shows_what_it_inherits(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()
        stack_of(session).push("x", "y", "z")
        session.save()
        tested.bus.fork("s", at=1, name="b")
        stack = session.stack_for("a")
        stack.checkout("b")
        stack.push("w")
        session.save()
        tested.project()
        assert (stack.branch, payloads(stack)) == ("b", ["x", "y", "w"])
        assert clients.session().stack_for("a").branch == "b"
        tested.bus.rewind("s", to=0, branch="b")
        tested.project()
        assert payloads(stack) == ["x"]


class TestAssistant:
    def test_the_newest_however_far_back(self, tested: BusUnderTest, clients: Clients) -> None:
        session = clients.session()
        stack = stack_of(session)
        for text in ("old", "new"):
            stack.push({"role": "assistant", "content": text})
        stack.push(*({"role": "user", "content": n} for n in range(250)))
        session.save()
        tested.project()
        found = stack.last_assistant_message()
        assert found is not None
        assert found.payload["content"] == "new"
        stack.push({"role": "assistant", "content": "newest"})
        found = stack.last_assistant_message()
        assert found is not None
        assert found.payload["content"] == "newest"

    def test_a_role_is_the_headers_where_it_says_one(
        self, tested: BusUnderTest, clients: Clients
    ) -> None:
        stack = stack_of(clients.session())
        stack.push(({"role": "assistant"}, "text"), {"role": 3}, {"role": ""})
        assert [header.get("role") for header, _ in stack.iter_last_n(3)] == [
            "assistant",
            None,
            None,
        ]
