"""Which call a pushed tool_result answers: the nearest before it that is open, on its branch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.buses import BusUnderTest
    from support.sessions import Clients

    from eventstore.sessions import Session
    from eventstore.stacks import Stack


@pytest.fixture
def session(clients: Clients) -> Session:
    made = clients.session()
    made.register_agent("a")
    made.register_agent("tool")
    made.save()
    return made


def call(stack: Stack, call_id: str | None = "1", name: str = "f", **header: Any) -> str:
    (ref,) = stack.push(
        ({"type": "tool_call", **header}, {"id": call_id, "name": name, "arguments": {}})
    )
    return ref


def result(stack: Stack, call_id: str | None = "1", **header: Any) -> str:
    (ref,) = stack.push(({"type": "tool_result", "tool_call_id": call_id, **header}, "answer"))
    return ref


def parents(tested: BusUnderTest, ref: str) -> list[str]:
    found: list[str] = tested.bus.get(ref).header["parent_refs"]
    return found


def test_a_result_of_another_agent_and_another_save(tested: BusUnderTest, session: Session) -> None:
    asked = call(session.stack_for("a"))
    session.save()
    answer = result(session.stack_for("tool"))
    session.save()
    header = tested.bus.get(answer).header
    assert (header["parent_refs"], header["tool_name"]) == ([asked], "f")
    assert "unpaired" not in header["meta"]


def test_repeated_ids_are_answered_by_the_nearest_open_call(
    tested: BusUnderTest, session: Session
) -> None:
    stack = session.stack_for("a")
    first, second = call(stack), call(stack)
    session.save()
    answers = []
    for _ in range(3):
        answers.append(result(stack))
        session.save()
    assert [parents(tested, ref) for ref in answers] == [[second], [first], []]
    assert tested.bus.get(answers[2]).header["meta"] == {"unpaired": True}


def test_within_one_save(tested: BusUnderTest, session: Session) -> None:
    stack = session.stack_for("a")
    old = call(stack)
    session.save()
    new = call(stack)
    answers = [result(stack), result(stack)]
    session.save()
    assert [parents(tested, ref) for ref in answers] == [[new], [old]]


def test_the_calls_of_one_turn_are_answered_in_order(
    tested: BusUnderTest, session: Session
) -> None:
    stack = session.stack_for("a")
    (turn,) = stack.push({"role": "assistant"})
    calls = [call(stack, parent_refs=[turn]) for _ in range(2)]
    session.save()
    answers = []
    for _ in range(2):
        answers.append(result(stack))
        session.save()
    assert [parents(tested, ref) for ref in answers] == [[calls[0]], [calls[1]]]


def test_without_an_id_the_tools_name_counts(tested: BusUnderTest, session: Session) -> None:
    stack = session.stack_for("a")
    search, read = call(stack, None, "search"), call(stack, None, "read")
    session.save()
    answers = [result(stack, None, tool_name="search"), result(stack, None, tool_name="read")]
    session.save()
    assert [parents(tested, ref) for ref in answers] == [[search], [read]]


def test_another_branch_has_calls_of_its_own(tested: BusUnderTest, session: Session) -> None:
    stack = session.stack_for("a")
    stack.push("x")
    shared = call(stack)
    session.save()
    tested.bus.fork("s", at=1, name="b")
    on_main = call(stack)
    session.save()
    stack.checkout("b")
    answer = result(stack)
    session.save()
    assert parents(tested, answer) == [shared]
    stack.checkout("main")
    answers = [result(stack), result(stack)]
    session.save()
    assert [parents(tested, ref) for ref in answers] == [[on_main], [shared]]


def test_a_call_that_is_hidden_is_not_answered(tested: BusUnderTest, session: Session) -> None:
    stack = session.stack_for("a")
    first = call(stack)
    call(stack)
    session.save()
    stack.pop()
    session.save()
    answer = result(stack)
    session.save()
    assert parents(tested, answer) == [first]
    tested.bus.rewind("s", to=0)
    again = result(stack)
    session.save()
    assert parents(tested, again) == [first], "its answer was rewound, so it is open again"


def test_parents_that_are_given_are_kept(tested: BusUnderTest, session: Session) -> None:
    stack = session.stack_for("a")
    first = call(stack)
    call(stack)
    answer = result(stack, parent_refs=[first])
    session.save()
    assert parents(tested, answer) == [first]


def test_a_call_far_back_is_found(tested: BusUnderTest, session: Session) -> None:
    stack = session.stack_for("a")
    asked = call(stack)
    session.save()
    header = {"session_id": "s", "agent_id": "b", "type": "state"}
    tested.bus.publish_many([(header, n) for n in range(1200)])
    answer = result(stack)
    session.save()
    assert parents(tested, answer) == [asked]
