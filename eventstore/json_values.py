"""What JSON can hold: checking a value part by part, and writing it one way only."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Final

from eventstore.errors import InvalidEvent
from eventstore.shown import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_DEPTH: Final = 256
MAX_INTEGER_BITS: Final = 4096

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TEXT: Final = frozenset({str})
_PLAIN_NUMBERS: Final = 2**63
_encoder: Final = json.JSONEncoder(
    ensure_ascii=False,
    sort_keys=True,
    separators=(",", ":"),
    # What is circular is too deep, and that has been checked.
    check_circular=False,
)


def canonical_json(value: object) -> str:
    """Return a checked JSON value as text: sorted keys, no blanks, so that equals are equal."""
    return _encoder.encode(value)


def check_json(value: object, path: str, max_bits: int = MAX_INTEGER_BITS) -> None:
    """Raise `InvalidEvent` with the path of the first part that is not a JSON value.

    Integers may have `max_bits` bits. Lone surrogates pass; `lone_surrogate` finds them.
    """
    if _is_plain(value):
        return
    for item, where, depth in _walk(value, path):
        _check_item(item, where, depth, max_bits)


def lone_surrogate(value: object, path: str) -> str | None:
    """Return the path of the first text in a JSON value that UTF-8 cannot hold, None for none."""
    for item, where, _ in _walk(value, path):
        texts = (item,) if isinstance(item, str) else tuple(item) if isinstance(item, dict) else ()
        if any(_SURROGATE.search(text) for text in texts):
            return where()
    return None


def _is_plain(value: object) -> bool:
    """Return whether a value is made of what JSON has, with no doubt about any part of it.

    Payloads are checked with every publish, so this builds no path; False only means that the
    parts have to be looked at one by one.
    """
    open_parts: list[Iterator[object]] = [iter((value,))]
    while open_parts:
        for item in open_parts[-1]:
            kind = type(item)
            if kind is str or kind is bool or item is None:
                continue
            if kind is int or kind is float:
                # Not true of NaN and the infinities either.
                if -_PLAIN_NUMBERS < item < _PLAIN_NUMBERS:  # type: ignore[operator]
                    continue
                return False
            if len(open_parts) > MAX_DEPTH:
                return False
            if kind is dict:
                if not _TEXT.issuperset(map(type, item)):  # type: ignore[call-overload]
                    return False
                open_parts.append(iter(item.values()))  # type: ignore[attr-defined]
                break
            if kind is list or kind is tuple:
                open_parts.append(iter(item))  # type: ignore[call-overload]
                break
            return False
        else:
            open_parts.pop()
    return True


def _walk(value: object, path: str) -> Iterator[tuple[object, Callable[[], str], int]]:
    """Yield every part of a value with a function that spells its path, and its depth from 1."""
    names: list[str] = [path]
    open_parts: list[Iterator[tuple[str, object]]] = [iter((("", value),))]
    while open_parts:
        for name, item in open_parts[-1]:
            names[len(open_parts) :] = [name]
            yield item, lambda: "".join(names), len(open_parts)
            if isinstance(item, dict):
                open_parts.append((f".{key}", part) for key, part in item.items())
                break
            if isinstance(item, (list, tuple)):
                open_parts.append((f"[{index}]", part) for index, part in enumerate(item))
                break
        else:
            open_parts.pop()


def _check_item(item: object, where: Callable[[], str], depth: int, max_bits: int) -> None:
    if item is None or isinstance(item, (str, bool)):
        return
    if isinstance(item, int):
        if item.bit_length() > max_bits:
            raise InvalidEvent(where(), f"an integer of {item.bit_length()} bits; send text")
    elif isinstance(item, float):
        if not math.isfinite(item):
            raise InvalidEvent(where(), f"{item!r} is not a JSON number")
    elif isinstance(item, (dict, list, tuple)):
        _check_container(item, where, depth)
    else:
        raise InvalidEvent(where(), f"{type(item).__name__} is not a JSON value")


def _check_container(item: object, where: Callable[[], str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidEvent(where()[:80], f"nested deeper than {MAX_DEPTH} levels")
    texts = set()
    for key in item if isinstance(item, dict) else ():
        if not isinstance(key, str):
            raise InvalidEvent(where(), f"the key {shown(key)} is not text, as JSON requires")
        # Of a class with an equality of its own, one text may be two keys.
        text = str.__str__(key)
        if text in texts:
            raise InvalidEvent(where(), f"has two keys that are the text {shown(text)}")
        texts.add(text)
