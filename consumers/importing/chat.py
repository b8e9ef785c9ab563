"""OpenAI chat messages as events: states, tool calls and tool results.

Ids of tool calls repeat within a run, so a result is paired with the nearest call before it that
has its id and no result yet. A call or result without an id (`function_call` of old) is paired
by the tool's name. A result that answers no call has no parent and says so in meta.

Nothing of a message is lost: a state's payload is the message, and how a tool_result gives its
message back is in `consumers.importing.chat_result`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.importing.chat_result import META_KEY, split_result
from consumers.importing.json_text import parse_json
from consumers.importing.shapes import (
    kind_of,
    list_at,
    object_at,
    optional_text,
    required,
    text_at,
)
from eventstore.errors import InvalidEvent, InvalidInput, InvalidName
from eventstore.names import check_name
from eventstore.tool_calls import OpenCall, OpenCalls

if TYPE_CHECKING:
    from consumers.importing.runs import Plan

_ANSWERING: Final = ("tool", "function")
_AGENTS: Final = {"assistant": "agent", "user": "user"}
_STATE_CLASSES: Final = {
    "system": "SystemMessage",
    "developer": "DeveloperMessage",
    "user": "UserMessage",
    "assistant": "AssistantMessage",
}


def plan_messages(plan: Plan, messages: list[Any], within: str) -> None:
    """Add the events of a run's messages, in order; `within` is where the list stands.

    Raises `InvalidEvent` whose field is the place, as in `traj[3].tool_calls[0].function.name`.
    """
    calls = OpenCalls()
    for turn, item in enumerate(messages):
        place = f"{within}[{turn}]"
        message = object_at(item, place)
        role = text_at(required(message, "role", place), f"{place}.role")
        _check_content(message.get("content"), f"{place}.content")
        if role in _ANSWERING:
            _plan_result(plan, message, calls, place)
            continue
        state = plan.publish(
            "state",
            message,
            agent_id=_AGENTS.get(role, "system"),
            role=_as_name(role),
            meta={"state_cls": _STATE_CLASSES.get(role, "Message")},
        )
        if role == "assistant":
            _plan_calls(plan, message, state, calls, place)


def _check_content(content: object, place: str) -> None:
    if isinstance(content, (bool, int, float)):
        raise InvalidEvent(place, f"is text, a list of parts or null, not {kind_of(content)}")


def _plan_calls(
    plan: Plan, message: dict[str, Any], state: str, calls: OpenCalls, within: str
) -> None:
    for call_id, function, place in _functions(message, within):
        name = text_at(required(function, "name", place), f"{place}.name")
        payload = {"name": name, **_arguments(function.get("arguments"), f"{place}.arguments")}
        ref = plan.publish(
            "tool_call",
            payload,
            agent_id="agent",
            parent_refs=(state,),
            tool_name=_as_name(name),
            tool_call_id=_as_name(call_id),
        )
        calls.add(call_id, OpenCall(state, ref, name))


def _functions(message: dict[str, Any], place: str) -> list[tuple[str | None, dict[str, Any], str]]:
    """Return (call id, function, place) of each call that an assistant's message makes."""
    found: list[tuple[str | None, dict[str, Any], str]] = []
    if message.get("tool_calls") is not None:
        for index, item in enumerate(list_at(message["tool_calls"], f"{place}.tool_calls")):
            where = f"{place}.tool_calls[{index}]"
            call = object_at(item, where)
            function = object_at(required(call, "function", where), f"{where}.function")
            found.append((optional_text(call, "id", where), function, f"{where}.function"))
    if message.get("function_call") is not None:
        where = f"{place}.function_call"
        found.append((None, object_at(message["function_call"], where), where))
    return found


def _arguments(raw: object, place: str) -> dict[str, Any]:
    """Return a call's arguments as text and as a value; the value is null if the text is no JSON.

    Some recorders write the value itself; then there is no text.
    """
    if raw is None or isinstance(raw, dict):
        return {"arguments": raw, "arguments_raw": None}
    if not isinstance(raw, str):
        raise InvalidEvent(place, f"is text, an object or null, not {kind_of(raw)}")
    try:
        value = parse_json(raw)
    except InvalidInput:
        value = None
    return {"arguments": value, "arguments_raw": raw}


def _plan_result(plan: Plan, message: dict[str, Any], calls: OpenCalls, place: str) -> None:
    call_id = optional_text(message, "tool_call_id", place)
    name = optional_text(message, "name", place)
    call = calls.take(call_id, name)
    content = message.get("content")
    failed = isinstance(content, str) and content.startswith("Error")
    payload, mime, chat_meta = split_result(message)
    status = "error" if failed else "ok"
    meta: dict[str, Any] = {"state_cls": "ToolMessage", "status": status, META_KEY: chat_meta}
    if call is None:
        meta["unpaired"] = True
    plan.publish(
        "tool_result",
        payload,
        mime=mime,
        agent_id="tool",
        role=message["role"],
        parent_refs=(call.ref,) if call else (),
        tool_name=_as_name(name or (call.name if call else None)),
        tool_call_id=_as_name(call_id),
        status=status,
        meta=meta,
    )


def _as_name(text: str | None) -> str | None:
    """Return a text that can be a name in a header; None for one that cannot."""
    try:
        return None if text is None else check_name("tool", text)
    except InvalidName:
        return None
