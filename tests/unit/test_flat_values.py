"""Any value of an application as one that a Redis client takes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from pydantic import BaseModel

from eventstore import serialise_for_redis
from eventstore.errors import InvalidEvent


class Colour(enum.Enum):
    RED = "red"


class Model(BaseModel):
    name: str
    when: date


class Struct(msgspec.Struct):
    n: int


@dataclass
class Point:
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "flat"),
    [
        ("text", "text"),
        (b"\x00\xff", b"\x00\xff"),
        (7, 7),
        (2**70, 2**70),
        (0.25, 0.25),
        (True, "true"),
        (None, "null"),
        ([1, "a", None], '[1,"a",null]'),
        ({"b": 1, "a": {"c": [True]}}, '{"a":{"c":[true]},"b":1}'),
        ({1: "one"}, '{"1":"one"}'),
        ([b"abc"], '["YWJj"]'),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00Z"),
        ([date(2026, 1, 31)], '["2026-01-31"]'),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (Point(1, 2), '{"x":1,"y":2}'),
        (Struct(3), '{"n":3}'),
        (Model(name="m", when=date(2026, 1, 31)), '{"name":"m","when":"2026-01-31"}'),
        ([Model(name="m", when=date(2026, 1, 31))], '[{"name":"m","when":"2026-01-31"}]'),
    ],
)
def test_a_value_has_one_flat_form(value: object, flat: object) -> None:
    result = serialise_for_redis({"key": value})["key"]
    assert result == flat
    assert type(result) is type(flat)


def test_the_order_of_keys_stays_and_the_argument_is_untouched() -> None:
    data = {"z": [1], "a": {"x": True}}
    assert list(serialise_for_redis(data)) == ["z", "a"]
    assert data == {"z": [1], "a": {"x": True}}


circular: list[Any] = []
circular.append(circular)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"a": float("nan")}, "a"),
        ({"a": [float("inf")]}, "a[0]"),
        ({"a": object()}, "a"),
        ({"a": circular}, "a"),
        ({"a": "\ud800"}, "a"),
        ({1: "a"}, "data"),
        ([1], "data"),
        (None, "data"),
    ],
)
def test_what_has_no_form_is_refused_by_its_path(data: Any, field: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        serialise_for_redis(data)
    assert caught.value.field == field
