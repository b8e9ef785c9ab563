"""Payloads come back as they were given; what JSON cannot hold is refused by its path."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.generating import json_values, texts

from eventstore.errors import InvalidEvent, PayloadDamaged
from eventstore.json_values import MAX_DEPTH, MAX_INTEGER_BITS, canonical_json, check_json
from eventstore.payloads import encode_payload, form_of, payload_value, raw_payload

payloads = st.one_of(json_values(MAX_INTEGER_BITS), texts, st.binary(max_size=200))
limits = st.sampled_from([0, 1, 10, 2048])


def exact(value: Any) -> Any:
    """Return a value as text or bytes that tells 1, 1.0 and true apart."""
    return value if isinstance(value, (bytes, str)) else canonical_json(value)


@given(payloads, limits)
@example("", 0)
@example(b"", 0)
@example(None, 0)
def test_a_payload_comes_back(payload: Any, compress_above: int) -> None:
    form = form_of(payload, None)
    encoded = encode_payload(payload, form, compress_above)
    info = encoded.info
    assert info.stored == len(encoded.data)
    assert info.gzip == (info.size > compress_above)
    assert (info.place == "none") == (not encoded.data)
    value = payload_value(info, raw_payload(info, encoded.data, "test"))
    assert type(value) is type(payload)
    assert exact(value) == exact(payload)
    assert encode_payload(value, form, compress_above) == encoded


@given(payloads, st.integers(0, 10**6), st.integers(1, 255), limits)
def test_a_changed_byte_is_seen(payload: Any, place: int, change: int, above: int) -> None:
    encoded = encode_payload(payload, form_of(payload, None), above)
    data = bytearray(encoded.data)
    if not data:
        data = bytearray(b"x")
    else:
        data[place % len(data)] ^= change
    try:
        found = raw_payload(encoded.info, bytes(data), "test")
    except PayloadDamaged:
        return
    # Gzip has bytes that mean nothing, such as the system it was made on.
    assert encoded.info.gzip
    assert found == raw_payload(encoded.info, encoded.data, "test")


FAULTS = [
    math.nan,
    math.inf,
    -math.inf,
    2**MAX_INTEGER_BITS,
    b"bytes",
    datetime(2026, 1, 1),  # noqa: DTZ001  # a naive time is one of the faults
    Decimal(1),
    {1, 2},
    object(),
]
NOT_TEXT = [1, None, True, 1.5, b"k", (1, 2)]


def planted(value: Any, fault: Any, draw: st.DataObject, path: str = "payload") -> tuple[Any, str]:
    """Return a value with a fault in place of one of its parts, and the path to it."""
    parts = (
        list(value)
        if isinstance(value, dict)
        else range(len(value))
        if isinstance(value, list)
        else ()
    )
    if not parts or draw.draw(st.booleans()):
        return fault, path
    name = draw.draw(st.sampled_from(list(parts)))
    inner = f"{path}.{name}" if isinstance(value, dict) else f"{path}[{name}]"
    changed = value.copy()
    changed[name], where = planted(value[name], fault, draw, inner)
    return changed, where


@given(st.data(), json_values(), st.sampled_from(FAULTS))
def test_what_is_not_json_is_refused_by_its_path(
    data: st.DataObject, value: Any, fault: object
) -> None:
    check_json(value, "payload")
    faulty, path = planted(value, fault, data)
    with pytest.raises(InvalidEvent) as refused:
        check_json(faulty, "payload")
    assert refused.value.field == path


@given(st.data(), json_values(), st.sampled_from(NOT_TEXT))
def test_a_key_that_is_not_text_is_refused_by_its_path(
    data: st.DataObject, value: Any, key: Any
) -> None:
    faulty, path = planted(value, {"k": 1, key: 2}, data)
    with pytest.raises(InvalidEvent, match="is not text, as JSON requires") as refused:
        check_json(faulty, "payload")
    assert refused.value.field == path


@given(st.data(), json_values(), st.sampled_from(["\ud800", {"\udfff": 1}, "a\udc00b"]))
def test_a_lone_surrogate_is_refused_by_its_path(
    data: st.DataObject, value: Any, fault: object
) -> None:
    faulty, path = planted(value, fault, data)
    with pytest.raises(InvalidEvent, match="lone surrogate") as refused:
        encode_payload(faulty, "json", 2048)
    assert refused.value.field == path


@pytest.mark.parametrize("wrap", [lambda part: [part], lambda part: {"k": part}], ids=["[]", "{}"])
def test_the_deepest_value_is_taken_and_a_deeper_one_refused(wrap: Any) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    encoded = encode_payload(value, "json", 10**6)
    assert payload_value(encoded.info, encoded.data) == value
    with pytest.raises(InvalidEvent, match="nested deeper than 256 levels"):
        encode_payload(wrap(value), "json", 10**6)


def test_what_holds_itself_is_too_deep() -> None:
    value: list[Any] = [1]
    value += [value, value]
    with pytest.raises(InvalidEvent, match="nested deeper than 256 levels"):
        encode_payload(value, "json", 10**6)
