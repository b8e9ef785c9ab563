"""A tool's chat message as the payload and meta of a tool_result, and back exactly.

The payload is what readers look for, the message's content: as a JSON value where the text can
be written again from it exactly, else as text. `meta["chat_message"]` (`META_KEY`) holds the rest
of the message and how the JSON was written. A message of another sort, with content that is not
text for example, is the payload as a whole.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from consumers.importing.json_text import TextForm, describe, restore

META_KEY: Final = "chat_message"
MAX_REST_BYTES: Final = 4 * 1024


class ResultForm(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a payload does not say of its message: the other fields, how its JSON was written.

    `whole` means that the payload is the message.
    """

    rest: dict[str, str | bool | None] = {}
    text: TextForm | None = None
    whole: bool = False


def split_result(message: dict[str, Any]) -> tuple[Any, str, dict[str, Any]]:
    """Return the payload of a tool's message, its media type, and what goes into meta."""
    content = message.get("content")
    rest = {name: value for name, value in message.items() if name != "content"}
    if not isinstance(content, str) or not _fits_header(rest):
        return message, "application/json", msgspec.to_builtins(ResultForm(whole=True))
    described = describe(content)
    if described is None:
        return content, "text/plain", msgspec.to_builtins(ResultForm(rest))
    value, text = described
    return value, "application/json", msgspec.to_builtins(ResultForm(rest, text))


def join_result(payload: object, chat_meta: object) -> dict[str, Any]:
    """Return the message that `split_result` was given; raises `ValueError` for other meta."""
    form = msgspec.convert(chat_meta, ResultForm)
    if form.whole:
        if isinstance(payload, dict):
            return payload
        raise ValueError("the payload is to be a whole message and is no object")
    content = payload if form.text is None else restore(payload, form.text)
    return {**form.rest, "content": content}


def _fits_header(rest: dict[str, Any]) -> bool:
    if not all(value is None or isinstance(value, (str, bool)) for value in rest.values()):
        return False
    return len(msgspec.msgpack.encode(rest)) <= MAX_REST_BYTES
