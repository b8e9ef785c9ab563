"""JSON texts become values and exactly the same texts again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.importing.json_text import MAX_FORM_BYTES, TextForm, describe, parse_json, restore
from eventstore.errors import InvalidInput
from eventstore.payloads import encode_payload, payload_value

plain = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6)
numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
leaves = st.one_of(st.none(), st.booleans(), numbers, plain)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain, inner, max_size=4)
)
styles = st.fixed_dictionaries(
    {"ensure_ascii": st.booleans()},
    optional={
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]),
        "indent": st.sampled_from([None, 0, 2]),
        "sort_keys": st.booleans(),
    },
)


def through_the_store(value: Any, form: TextForm) -> str:
    """Restore from what comes back: the value with sorted keys, the form from a header."""
    encoded = encode_payload(value, "json", 2048)
    raw = encode_payload(value, "json", 1 << 40).data
    header = msgspec.msgpack.decode(msgspec.msgpack.encode(form))
    return restore(payload_value(encoded.info, raw), msgspec.convert(header, TextForm))


@given(values, styles)
def test_what_is_described_comes_back_exactly(value: Any, style: dict[str, Any]) -> None:
    text = json.dumps(value, **style)
    described = describe(text)
    if described is None:
        assert "indent" in style or "separators" in style or _two_orders(value)
    else:
        assert described[0] == value
        assert through_the_store(*described) == text


def _two_orders(value: Any) -> bool:
    """Whether objects with the same keys have them in different orders."""
    orders: dict[frozenset[str], set[tuple[str, ...]]] = {}
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            orders.setdefault(frozenset(item), set()).add(tuple(item))
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return any(len(found) > 1 for found in orders.values())


@given(st.text())
def test_any_text_is_restored_or_left_alone(text: str) -> None:
    described = describe(text)
    assert described is None or through_the_store(*described) == text


@pytest.mark.parametrize(
    "text",
    ['{"b": 1, "a": {"d": [], "c": {}}}', '{"b":1,"a":2}', '{"é": 1}', '{"\\u00e9": 1}',
     "12", "-0.0", "null", '"x"', "[]", "{}", '[{"b": 1, "a": 2}, {"b": 3, "a": 4}]'],
)  # fmt: skip
def test_common_texts_are_values(text: str) -> None:
    described = describe(text)
    assert described is not None
    assert described[0] == json.loads(text)
    assert through_the_store(*described) == text


@pytest.mark.parametrize(
    "text",
    ["", "Error: no", "{", "[1,]", "01", "NaN", "[Infinity]", "1e999", "1.50", "1E5", " 1", "1 ",
     '{"a": 1, "a": 2}', '{"a":1, "b":2}', '"\\ud800"', '"\\/"', "9" * 5000, "[" * 100_000,
     "[" * 300 + "]" * 300, '[{"b": 1, "a": 2}, {"a": 3, "b": 4}]'],
)  # fmt: skip
def test_other_texts_stay_texts(text: str) -> None:
    assert describe(text) is None


def test_an_order_of_keys_that_is_too_long_for_a_header_stays_text() -> None:
    long = {f"key {number}": number for number in range(1000, 0, -1)}
    assert describe(json.dumps(long)) is None
    short = dict(list(long.items())[:100])
    described = describe(json.dumps(short))
    assert described is not None
    assert len(msgspec.msgpack.encode(described[1])) <= MAX_FORM_BYTES
    assert describe(json.dumps(long, sort_keys=True)) is not None


@pytest.mark.parametrize("text", ["", "x", "NaN", "1e999", '"\\ud800"', "[" * 100_000, "9" * 5000])
def test_what_cannot_be_a_payload_does_not_parse(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_json(text)


def test_arguments_parse() -> None:
    assert parse_json(' {"a": [1, null]} ') == {"a": [1, None]}
