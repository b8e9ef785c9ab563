"""Payloads as people read them: what was said, which tool was called with what, what it gave."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from eventstore.text import summarise

# What is longer is folded, with so much of it shown.
FOLD_ABOVE: Final = 700
_SHOWN: Final = 240
_MAX_RENDERED: Final = 20_000


class Block(NamedTuple):
    """One part of what an event says.

    `kind` is text, code, fields or note; `body` is text, or (name, text) pairs for fields.
    `summary` stands for a body that is folded; None leaves it open.
    """

    kind: str
    body: Any
    title: str | None = None
    summary: str | None = None


def blocks_of(type_: str, payload: object) -> list[Block]:
    """Return a payload as blocks to show, the most telling first."""
    if payload is None:
        return []
    if isinstance(payload, bytes):
        return [Block("note", f"{len(payload):,} bytes")]
    if isinstance(payload, str):
        return [_text(payload)]
    if isinstance(payload, dict):
        return _of_object(type_, payload)
    return [_code(payload)]


def role_of(payload: object) -> str | None:
    """Return who speaks in a chat message."""
    role = payload.get("role") if isinstance(payload, dict) else None
    return role if isinstance(role, str) else None


def _of_object(type_: str, payload: dict[str, Any]) -> list[Block]:
    if type_ == "tool_call" and isinstance(payload.get("name"), str):
        return _call(payload)
    if "content" in payload or "tool_calls" in payload:
        return _message(payload)
    if set(payload) == {"text"} and isinstance(payload["text"], str):
        return [_text(payload["text"])]
    if type_ == "evaluation" or type_.startswith("evaluation."):
        return _fields(payload)
    return [_code(payload)] if payload else []


def _message(payload: dict[str, Any]) -> list[Block]:
    blocks = [_text(text) for text in _content_texts(payload.get("content"))]
    for call in payload.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            blocks.append(Block("note", f"calls {function.get('name')}"))
    return blocks or ([] if payload.get("content") is None else [_code(payload)])


def _content_texts(content: object) -> list[str]:
    """Return the texts of a message's content: one, or those of its parts."""
    if isinstance(content, str):
        return [content] if content else []
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, dict))
        return [text for text in texts if isinstance(text, str)]
    return []


def _call(payload: dict[str, Any]) -> list[Block]:
    arguments = payload.get("arguments")
    if isinstance(arguments, dict) and arguments:
        return [Block("fields", [(name, _short(value)) for name, value in arguments.items()])]
    return [] if arguments in (None, {}) else [_code(arguments)]


def _fields(payload: dict[str, Any]) -> list[Block]:
    return [Block("fields", [(name, _short(value)) for name, value in payload.items()])]


def _short(value: object) -> str:
    return summarise(value if isinstance(value, str) else _json(value), FOLD_ABOVE)


def _text(text: str) -> Block:
    return _folded("text", text)


def _code(value: object) -> Block:
    return _folded("code", _json(value))


def _folded(kind: str, text: str) -> Block:
    if len(text) <= FOLD_ABOVE:
        return Block(kind, text)
    # The whole of it is in the raw JSON; a page is no place for megabytes of one payload.
    return Block(kind, summarise(text, _MAX_RENDERED), summary=summarise(text, _SHOWN))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=repr)
