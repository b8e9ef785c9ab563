"""JSON texts as values, and back to exactly the same text.

A tool's answer is text that often is JSON. Readers want the value; an export must give the
text back to the last blank. A stored value has lost how it was written: blanks, escapes and
the order of keys. `TextForm` is that rest, small enough for a header.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from eventstore.errors import InvalidInput
from eventstore.payloads import encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_FORM_BYTES: Final = 4 * 1024

Style = Literal["spaced-ascii", "spaced", "compact"]

# How programs write JSON: Python's default, the same without escapes, and without blanks.
_STYLES: Final[dict[Style, dict[str, Any]]] = {
    "spaced-ascii": {},
    "spaced": {"ensure_ascii": False},
    "compact": {"ensure_ascii": False, "separators": (",", ":")},
}


class TextForm(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a JSON text is written: a style, and the order of keys of each kind of object.

    An object's kind is its set of keys; one that is not in `keys` has them sorted.
    """

    style: Style
    keys: tuple[tuple[str, ...], ...] = ()


def load_json(text: str) -> Any:
    """Return the value of a JSON text, else raise `InvalidInput`; an object has a key once."""
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"not JSON: {error}") from error


def parse_json(text: str) -> Any:
    """Return the value of a JSON text that can be a payload, else raise `InvalidInput`."""
    return _parse(text)[0]


def describe(text: str) -> tuple[Any, TextForm] | None:
    """Return a JSON text as its value and form, such that `restore` gives exactly the text.

    None if the text is not JSON, or is written in a way that a form of 4 KiB cannot tell: other
    blanks or escapes, numbers such as 1.50, one kind of object with its keys in two orders.
    """
    try:
        value, stored = _parse(text)
    except InvalidInput:
        return None
    orders = {keys for keys in _key_orders(value) if list(keys) != sorted(keys)}
    keys = tuple(sorted(orders))
    if sum(len(key.encode()) + 2 for order in keys for key in order) > MAX_FORM_BYTES:
        return None
    forms = (TextForm(style, keys) for style in _STYLES)
    return next(((value, form) for form in forms if restore(stored, form) == text), None)


def restore(value: object, form: TextForm) -> str:
    """Return the text that `describe` was given, from the value as stored."""
    orders = {frozenset(order): order for order in form.keys}
    return json.dumps(_in_order(value, orders), **_STYLES[form.style])


def _parse(text: str) -> tuple[Any, Any]:
    """Return the value of a text, and the same as it comes back from the store."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        stored = encode_payload(value, "json", compress_above=sys.maxsize).data
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"not JSON that can be a payload: {error}") from error
    return value, json.loads(stored)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("an object has a key twice; which value holds is not defined")
    return result


def _key_orders(value: object) -> Iterator[tuple[str, ...]]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield tuple(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _in_order(value: object, orders: Mapping[frozenset[str], tuple[str, ...]]) -> object:
    if isinstance(value, dict):
        keys = orders.get(frozenset(value)) or sorted(value)
        return {key: _in_order(value[key], orders) for key in keys}
    if isinstance(value, list):
        return [_in_order(item, orders) for item in value]
    return value
