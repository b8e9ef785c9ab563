"""Values of an application as a flat mapping that a Redis client takes, such as for HSET."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from eventstore.errors import InvalidEvent
from eventstore.json_values import canonical_json, check_json, lone_surrogate

FlatValue: TypeAlias = str | int | float | bytes


def serialise_for_redis(data: Mapping[Any, Any]) -> dict[str, FlatValue]:
    """Return a mapping whose values redis-py accepts, in the order given.

    Text, bytes, integers and finite floats stay as they are. All else becomes JSON text: `true`,
    `false`, `null`, arrays, objects, with keys sorted; in it times are ISO-8601, dates, UUIDs,
    decimals and enums their usual text or value, bytes base64, dataclasses, msgspec structs and
    pydantic models objects. A datetime, UUID or the like at the top is its text, without quotes.
    Raises `InvalidEvent`, naming the path, for what has no such form.
    """
    if not isinstance(data, Mapping):
        raise InvalidEvent("data", f"is a mapping, not {type(data).__name__}")
    if not all(isinstance(key, str) for key in data):
        key = next(key for key in data if not isinstance(key, str))
        raise InvalidEvent("data", f"a key is text, not {type(key).__name__}: {key!r}")
    return {key: _flat(value, key) for key, value in data.items()}


def _flat(value: object, path: str) -> FlatValue:
    if type(value) is float and not math.isfinite(value):
        raise InvalidEvent(path, f"{value} is no number that can be stored")
    if type(value) in (bytes, int, float):
        return value  # type: ignore[return-value]
    plain = value if type(value) is str else _builtin(value, path)
    surrogate = lone_surrogate(plain, path)
    if surrogate is not None:
        raise InvalidEvent(surrogate, "holds half a surrogate pair, which UTF-8 cannot")
    # What has a text of its own is that text; a str of a subclass too.
    return plain if isinstance(plain, str) else canonical_json(plain)


def _builtin(value: object, path: str) -> object:
    try:
        plain = msgspec.to_builtins(value, str_keys=True, enc_hook=_other)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEvent(path, f"cannot be written as JSON: {error}") from None
    check_json(plain, path)
    return plain


def _other(value: object) -> object:
    """Return the builtin form of what msgspec does not know."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form; convert it first")
