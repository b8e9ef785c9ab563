"""Chat messages become states, calls and results, each call with the result that answers it."""

from __future__ import annotations

from typing import Any

import pytest
from support.recorded import rows_of

from consumers.importing.chat import plan_messages
from consumers.importing.runs import Plan
from eventstore.errors import InvalidEvent

Rows = list[tuple[dict[str, Any], Any]]


def rows(*messages: Any) -> Rows:
    plan = Plan("test", "d", {"session_id": "s", "agent_id": "import"})
    plan_messages(plan, list(messages), "traj")
    return rows_of([item.draft(2048) for item in plan.planned])


def assistant(*calls: tuple[str | None, str], content: str | None = None) -> dict[str, Any]:
    tool_calls = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for call_id, name in calls
    ]
    return {"role": "assistant", "content": content, "tool_calls": tool_calls}


def tool(call_id: str | None, content: Any = "done", **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **fields}


def of_type(found: Rows, type_: str) -> Rows:
    return [row for row in found if row[0]["type"] == type_]


def pairs(found: Rows) -> list[int | None]:
    """For each result, the number of the call that is its parent."""
    calls = [header["ref"] for header, _ in of_type(found, "tool_call")]
    return [
        calls.index(header["parent_refs"][0]) if header["parent_refs"] else None
        for header, _ in of_type(found, "tool_result")
    ]


@pytest.mark.parametrize(
    ("role", "agent", "state_cls"),
    [
        ("system", "system", "SystemMessage"),
        ("developer", "system", "DeveloperMessage"),
        ("user", "user", "UserMessage"),
        ("assistant", "agent", "AssistantMessage"),
        ("narrator", "system", "Message"),
    ],
)
@pytest.mark.parametrize("content", ["text", "", None, [{"type": "text", "text": "x"}], {"a": 1}])
def test_a_message_is_a_state_and_the_payload_is_the_message(
    role: str, agent: str, state_cls: str, content: Any
) -> None:
    message = {"role": role, "content": content, "refusal": None, "annotations": [{"n": 2**70}]}
    [(header, payload)] = rows(message)
    assert payload == message
    assert (header["type"], header["mime"]) == ("state", "application/json")
    assert (header["agent_id"], header["role"]) == (agent, role)
    assert header["meta"]["state_cls"] == state_cls


@pytest.mark.parametrize("nothing", [{}, {"tool_calls": None, "function_call": None}])
def test_an_assistant_without_calls_makes_one_event(nothing: dict[str, Any]) -> None:
    message = {"role": "assistant", "content": "hello", **nothing}
    assert [payload for _, payload in rows(message)] == [message]


def test_each_call_is_an_event_below_its_state() -> None:
    message = assistant(("a", "find"), ("b", "book"), content="thinking")
    message["tool_calls"][0]["function"]["arguments"] = '{"city": "Oslo",  "n": [1]}'
    state, find, book = rows(message)
    assert state[1] == message
    assert find[1] == {
        "name": "find",
        "arguments": {"city": "Oslo", "n": [1]},
        "arguments_raw": '{"city": "Oslo",  "n": [1]}',
    }
    for (header, _), call_id, name in ((find, "a", "find"), (book, "b", "book")):
        assert header["type"] == "tool_call"
        assert header["parent_refs"] == [state[0]["ref"]]
        assert (header["tool_call_id"], header["tool_name"]) == (call_id, name)
        assert header["agent_id"] == "agent"


@pytest.mark.parametrize(
    ("arguments", "value", "raw"),
    [
        ("{not json", None, "{not json"),
        ("", None, ""),
        ("null", None, "null"),
        ('{"n": NaN}', None, '{"n": NaN}'),
        ("[" * 100_000, None, "[" * 100_000),
        ('"\\ud800"', None, '"\\ud800"'),
        ({"city": "Oslo"}, {"city": "Oslo"}, None),
        (None, None, None),
    ],
)
def test_arguments_of_any_sort_are_kept(arguments: Any, value: Any, raw: str | None) -> None:
    message = assistant(("a", "find"))
    message["tool_calls"][0]["function"]["arguments"] = arguments
    [_, (_, payload)] = rows(message)
    assert payload == {"name": "find", "arguments": value, "arguments_raw": raw}


def test_arguments_may_be_left_out() -> None:
    message = assistant(("a", "find"))
    del message["tool_calls"][0]["function"]["arguments"]
    assert rows(message)[1][1]["arguments"] is None


@pytest.mark.parametrize(
    ("content", "payload", "mime"),
    [
        ("plain", "plain", "text/plain"),
        ("", "", "text/plain"),
        ('{"b": 1, "a": [2]}', {"b": 1, "a": [2]}, "application/json"),
        ("12", 12, "application/json"),
        ("[1,  2]", "[1,  2]", "text/plain"),
        ("NaN", "NaN", "text/plain"),
    ],
)
def test_a_result_is_its_content(content: str, payload: Any, mime: str) -> None:
    found = rows(assistant(("a", "find")), tool("a", content, name="find"))
    header, stored = found[-1]
    assert (stored, header["mime"], header["type"]) == (payload, mime, "tool_result")
    assert header["parent_refs"] == [found[1][0]["ref"]]
    assert (header["tool_call_id"], header["tool_name"]) == ("a", "find")
    assert (header["agent_id"], header["status"], header["meta"]["status"]) == ("tool", "ok", "ok")


def test_a_result_that_says_error_has_failed() -> None:
    found = rows(assistant(("a", "f"), ("b", "f")), tool("a", "Error: no"), tool("b", "No Error"))
    statuses = [header["status"] for header, _ in of_type(found, "tool_result")]
    assert statuses == ["error", "ok"]
    assert found[-2][0]["meta"]["status"] == "error"


def test_a_result_keeps_the_status_of_its_own_out_of_the_header() -> None:
    content = '{"status": "delivered", "id": "x", "name": "y"}'
    header, payload = rows(assistant(("a", "find")), tool("a", content))[-1]
    assert payload["status"] == "delivered"
    assert (header["status"], header["tool_name"]) == ("ok", "find")


@pytest.mark.parametrize("content", [None, [{"type": "text", "text": "x"}], {"temp": 3}])
def test_a_result_whose_content_is_no_text_is_kept_whole(content: Any) -> None:
    message = tool("a", content)
    header, payload = rows(assistant(("a", "find")), message)[-1]
    assert (payload, header["status"], header["mime"]) == (message, "ok", "application/json")


def test_ids_that_repeat_pair_with_the_nearest_open_call() -> None:
    found = rows(
        assistant(("x", "a")), tool("x"), assistant(("x", "b")), tool("x"),
        assistant(("x", "c")), assistant(("x", "d")), tool("x"), tool("x"), tool("x"),
    )  # fmt: skip
    assert pairs(found) == [0, 1, 3, 2, None]


def test_calls_of_one_message_with_one_id_are_answered_in_order() -> None:
    found = rows(assistant(("x", "a"), ("x", "b"), ("y", "c")), tool("y"), tool("x"), tool("x"))
    assert pairs(found) == [2, 0, 1]


def test_a_result_that_answers_nothing_says_so() -> None:
    found = rows(tool("x"), assistant(("y", "a")), tool("z"), tool("y"))
    assert pairs(found) == [None, None, 0]
    unpaired = [header["meta"].get("unpaired") for header, _ in of_type(found, "tool_result")]
    assert unpaired == [True, True, None]


def test_calls_without_an_id_are_paired_by_name() -> None:
    legacy = {
        "role": "assistant",
        "content": None,
        "function_call": {"name": "find", "arguments": '{"a": 1}'},
    }
    found = rows(
        legacy,
        {"role": "function", "name": "find", "content": "found"},
        assistant((None, "book"), (None, "find")),
        tool(None, name="find"),
        tool(None, name="book"),
    )
    assert pairs(found) == [0, 2, 1]
    assert of_type(found, "tool_call")[0][1]["arguments"] == {"a": 1}
    assert of_type(found, "tool_result")[0][0]["role"] == "function"


@pytest.mark.parametrize("name", ["x" * 2000, "\0", "é" * 512, " "])
def test_names_of_any_length_are_kept(name: str) -> None:
    found = rows(assistant((name, name)), tool(name, name=name), {"role": name, "content": ""})
    assert pairs(found) == [0]
    assert found[1][1]["name"] == name
    assert found[0][1]["tool_calls"][0]["id"] == name
    assert found[-1][1]["role"] == name


@pytest.mark.parametrize(
    ("message", "field", "problem"),
    [
        ("text", "traj[1]", "is an object, not text"),
        ({"content": "x"}, "traj[1].role", "is missing"),
        ({"role": None}, "traj[1].role", "is text, not null"),
        ({"role": ""}, "traj[1].role", "is empty"),
        ({"role": "user", "content": 7}, "traj[1].content", "not a number"),
        ({"role": "tool", "content": True}, "traj[1].content", "not true or false"),
        ({"role": "tool", "tool_call_id": 7}, "traj[1].tool_call_id", "is text or null"),
        ({"role": "tool", "name": []}, "traj[1].name", "is text or null, not a list"),
        ({"role": "assistant", "tool_calls": {}}, "traj[1].tool_calls", "is a list, not an object"),
        ({"role": "assistant", "tool_calls": [1]}, "traj[1].tool_calls[0]", "is an object"),
        ({"role": "assistant", "tool_calls": [{}]}, "traj[1].tool_calls[0].function", "missing"),
        (
            {"role": "assistant", "tool_calls": [{"function": None}]},
            "traj[1].tool_calls[0].function",
            "is an object, not null",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]},
            "traj[1].tool_calls[0].function.name",
            "is missing",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": 3}}]},
            "traj[1].tool_calls[0].function.name",
            "is text, not a number",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]},
            "traj[1].tool_calls[0].function.arguments",
            "is text, an object or null, not a list",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": 1, "function": {"name": "f"}}]},
            "traj[1].tool_calls[0].id",
            "is text or null, not a number",
        ),
        ({"role": "assistant", "function_call": []}, "traj[1].function_call", "is an object"),
        ({"role": "assistant", "function_call": {}}, "traj[1].function_call.name", "is missing"),
    ],
)
def test_a_broken_message_is_refused_at_its_field(message: Any, field: str, problem: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        rows({"role": "user", "content": "fine"}, message)
    assert caught.value.field == field
    assert problem in caught.value.problem
