"""Sessions as OpenAI chat messages: pure, from the rows that readers return.

A row is (header, payload), as `bus.history` gives them. For an imported session the messages
are those of the source, equal as JSON. For a session of one's own:

    state whose payload has a role     that message
    state with another payload         an assistant's message, named for the agent; its content
                                       is the text, or the value as JSON
    tool_call                          a call in an assistant's message; calls of one agent in a
                                       row share it; none if the state it comes from has the call
    tool_result                        a tool's message, for the call it answers

Other events (the task, evaluations, metrics, ledger events, decisions) are no messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from consumers.importing.chat_result import META_KEY, join_result
from eventstore.errors import ExportRefused

Row: TypeAlias = tuple[Mapping[str, Any], Any]
Message: TypeAlias = dict[str, Any]

MESSAGE_TYPES: Final = ("state", "tool_call", "tool_result")
TASK_STATE: Final = "Task"


def is_message_part(header: Mapping[str, Any]) -> bool:
    """Return whether an event is, or is part of, a message; other payloads need not be read."""
    return header["type"] in MESSAGE_TYPES and header["meta"].get("state_cls") != TASK_STATE


def chat_messages(rows: Iterable[Row]) -> list[Message]:
    """Return the chat messages of a history, in its order; none if it has no messages.

    Raises `ExportRefused` naming the event that no message can hold: a payload of bytes.
    """
    builder = _Builder()
    for header, payload in rows:
        if not is_message_part(header):
            continue
        if isinstance(payload, bytes):
            raise ExportRefused(
                header["ref"],
                "its payload is bytes, which no chat message holds; "
                "`eventstore artifact get` writes them out",
            )
        builder.add[header["type"]](header, payload)
    return builder.messages


class _Builder:
    """Turns rows into messages; knows which calls are in messages already, and their ids."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.add = {
            "state": self._state,
            "tool_call": self._tool_call,
            "tool_result": self._tool_result,
        }
        self._speaking: set[str] = set()  # refs of states whose message makes calls
        self._calls: dict[str, tuple[str, str]] = {}  # ref of a tool_call -> id, name
        self._caller: str | None = None  # agent of a message of calls that may take more

    def _state(self, header: Mapping[str, Any], payload: Any) -> None:
        self._caller = None
        if isinstance(payload, dict) and isinstance(payload.get("role"), str):
            message = payload
        else:
            message = {
                "role": "assistant",
                "name": header["agent_id"],
                "content": _as_text(payload),
            }
        if message.get("tool_calls") or message.get("function_call"):
            self._speaking.add(header["ref"])
        self.messages.append(message)

    def _tool_call(self, header: Mapping[str, Any], payload: Any) -> None:
        fields = payload if isinstance(payload, dict) else {"arguments": payload}
        name = header.get("tool_name") or "tool"
        call_id = header.get("tool_call_id") or header["ref"]
        self._calls[header["ref"]] = (call_id, name)
        if not self._speaking.isdisjoint(header["parent_refs"]):
            return
        call = {
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": _arguments(fields)},
        }
        if self._caller != header["agent_id"]:
            self.messages.append({"role": "assistant", "content": None, "tool_calls": []})
            self._caller = header["agent_id"]
        self.messages[-1]["tool_calls"].append(call)

    def _tool_result(self, header: Mapping[str, Any], payload: Any) -> None:
        self._caller = None
        if META_KEY in header["meta"]:
            self.messages.append(_imported_result(header, payload))
            return
        parents = (self._calls[ref] for ref in header["parent_refs"] if ref in self._calls)
        call_id, name = next(parents, (header["ref"], "tool"))
        self.messages.append(
            {
                "role": "tool",
                "tool_call_id": header.get("tool_call_id") or call_id,
                "name": header.get("tool_name") or name,
                "content": _as_text(payload),
            }
        )


def _imported_result(header: Mapping[str, Any], payload: Any) -> Message:
    try:
        return join_result(payload, header["meta"][META_KEY])
    except ValueError as error:
        raise ExportRefused(
            header["ref"], f"its meta.{META_KEY} is not what an import writes: {error}"
        ) from error


def _arguments(fields: Mapping[str, Any]) -> str:
    raw = fields.get("arguments_raw")
    return raw if isinstance(raw, str) else json.dumps(fields.get("arguments", fields))


def _as_text(payload: Any) -> str:
    return payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
