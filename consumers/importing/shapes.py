"""Checks of a record's parts; each names the place and what stands there.

All raise `InvalidEvent` with the place as its field.
"""

from __future__ import annotations

import math
from typing import Any, Final

from eventstore.errors import InvalidEvent

_KINDS: Final[dict[type, str]] = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def kind_of(value: object) -> str:
    """Return what a reader of JSON calls a value."""
    return _KINDS[type(value)]


def required(fields: dict[str, Any], name: str, place: str) -> Any:
    """Return a field that must be there."""
    if name not in fields:
        raise InvalidEvent(_below(place, name), "is missing")
    return fields[name]


def object_at(value: object, place: str) -> dict[str, Any]:
    """Return a value that must be an object."""
    if not isinstance(value, dict):
        raise InvalidEvent(place, f"is an object, not {kind_of(value)}")
    return value


def list_at(value: object, place: str) -> list[Any]:
    """Return a value that must be a list."""
    if not isinstance(value, list):
        raise InvalidEvent(place, f"is a list, not {kind_of(value)}")
    return value


def text_at(value: object, place: str) -> str:
    """Return a value that must be text with something in it."""
    if not isinstance(value, str):
        raise InvalidEvent(place, f"is text, not {kind_of(value)}")
    if not value:
        raise InvalidEvent(place, "is empty")
    return value


def optional_text(fields: dict[str, Any], name: str, place: str) -> str | None:
    """Return a field that is text; None if it is missing or null."""
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise InvalidEvent(_below(place, name), f"is text or null, not {kind_of(value)}")


def number_or_null(value: object, place: str) -> float | None:
    """Return a value that must be a number or null."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidEvent(place, f"is a number or null, not {kind_of(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidEvent(place, "is a number beyond any float")
    return number


def label_at(value: object, place: str) -> str:
    """Return a value that names something, a whole number or text, as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return text_at(value, place)
    raise InvalidEvent(place, f"is a whole number or text, not {kind_of(value)}")


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
