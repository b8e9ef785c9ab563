"""Any value becomes JSON for a log line: bounded, masked, without an error."""

from __future__ import annotations

import dataclasses
import enum
import json
import uuid
from collections import OrderedDict, deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel, SecretStr

from eventstore.logs_values import MAX_DEPTH, MAX_TEXT, MAX_TOTAL, Plain
from eventstore.redaction import Redactor
from eventstore.settings import AppSettings


def plain(value: object) -> Any:
    return Plain(Redactor()).value(value)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(msgspec.Struct):
    x: int
    password: str


@dataclasses.dataclass
class Account:
    name: str
    api_key: str


class Model(BaseModel):
    key: SecretStr


class Hostile:
    """Fails at whatever is asked of it."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


class HostileMapping(dict[str, int]):
    def keys(self) -> Any:
        raise RuntimeError("no")

    def items(self) -> Any:
        raise RuntimeError("no")

    __iter__ = keys


MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SAME: list[Any] = [
    None,
    True,
    False,
    0,
    -5,
    2**63 - 1,
    1.5,
    "text",
    "é\n",
    [],
    {},
    [1, [2]],
    {"a": {}},
]
SHOWN: list[tuple[Any, Any]] = [
    ((1, 2), [1, 2]),
    ({3}, [3]),
    (frozenset({3}), [3]),
    (deque([1]), [1]),
    (OrderedDict(a=1), {"a": 1}),
    ({1: "a", None: "b", "1": "c"}, {"1": "a", "None": "b", "1 (str)": "c"}),
    (float("nan"), "nan"),
    (float("-inf"), "-inf"),
    (2**63, "0x8000000000000000"),
    (10**5000, f"{10**5000:#x}"),
    (b"secret bytes", "(12 bytes)"),
    (bytearray(3), "(3 bytes)"),
    (MOMENT, "2026-01-02T03:04:05+00:00"),
    (MOMENT.date(), "2026-01-02"),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    (Path("a/b"), f"{Path('a/b')!r}"),
    (uuid.UUID(int=1), f"{uuid.UUID(int=1)!r}"),
    (ValueError("sk-secret1"), "ValueError: **********"),
    (Point(1, "p"), {"x": 1, "password": "**********"}),
    (Account("n", "k"), {"name": "n", "api_key": "**********"}),
    (Account, f"{Account!r}"),
    (Model(key=SecretStr("hidden")), {"key": "SecretStr('**********')"}),
    (SecretStr("hidden"), "SecretStr('**********')"),
    (Hostile(), "(Hostile that cannot be shown: RuntimeError)"),
    ([1, Hostile()], [1, "(Hostile that cannot be shown: RuntimeError)"]),
    (HostileMapping(a=1), "(HostileMapping that cannot be shown: RuntimeError)"),
    ("lone \ud800", "lone \\ud800"),
]


@pytest.mark.parametrize("value", SAME, ids=repr)
def test_json_stays_as_it_is(value: Any) -> None:
    assert plain(value) == value


@pytest.mark.parametrize(("value", "shown"), SHOWN, ids=[str(n) for n in range(len(SHOWN))])
def test_what_json_does_not_have_is_shown(value: Any, shown: Any) -> None:
    assert plain(value) == shown


def test_what_stands_under_a_secret_name_is_masked_whole() -> None:
    given = {
        "headers": [{"Authorization": "x", "Accept": "y"}],
        "token": 123456,
        "credentials": {"user": "u", "pin": 1},
        "password": None,
        "secret": True,
        "prompt_tokens": 7,
    }
    assert plain(given) == {
        "headers": [{"Authorization": "**********", "Accept": "y"}],
        "token": "**********",
        "credentials": "**********",
        "password": None,
        "secret": True,
        "prompt_tokens": 7,
    }


def test_secrets_in_text_and_in_keys_are_masked() -> None:
    assert plain({"a": ["redis://:pw@h"], "sk-secret1": 1}) == {
        "a": ["redis://**********@h"],
        "**********": 1,
    }


def test_settings_can_be_logged() -> None:
    chosen = AppSettings(
        redis={"url": "redis://:hunter2hunter2@h"},
        payloads={"storage_options": {"key": "hunter2hunter2"}},
        llm={"api_key": "hunter2hunter2"},
    )
    assert "hunter2" not in json.dumps(plain(chosen))


def test_long_text_is_cut_and_says_so() -> None:
    assert plain("x" * MAX_TEXT) == "x" * MAX_TEXT
    assert plain("x" * 20_000) == "x" * MAX_TEXT + "… (20,000 characters)"
    cut = Plain(Redactor()).text("ab" * 10_000, end=True)
    assert cut == "(20,000 characters) …" + "ab" * (MAX_TEXT // 2)


def test_no_part_of_a_secret_is_left_at_a_cut() -> None:
    for start in range(MAX_TEXT - 40, MAX_TEXT + 1):
        assert "secret" not in plain("." * start + "sk-secretsecretsecret" + " x" * 9000)


def test_what_is_deep_or_endless_is_cut_and_says_so() -> None:
    ring: list[Any] = []
    ring.append(ring)
    shown = plain(ring)
    for _ in range(MAX_DEPTH + 1):
        assert len(shown) == 1
        shown = shown[0]
    assert shown == "(left out: too deep)"


@pytest.mark.parametrize(
    "huge",
    [
        [0] * 1_000_000,
        dict.fromkeys(range(1_000_000)),
        ["x" * 10_000] * 1000,
        {str(n): "x" * 10_000 for n in range(1000)},
    ],
    ids=["items", "keys", "text", "both"],
)
def test_what_is_huge_is_cut_and_says_so(huge: Any) -> None:
    text = json.dumps(plain(huge))
    assert len(text) < 2 * MAX_TOTAL
    assert text.count("(left out: the line is full)") == 1


def test_a_ring_with_many_ways_round_is_cut_in_time() -> None:
    ring: list[Any] = []
    ring += [ring] * 10
    text = json.dumps(plain(ring))
    assert len(text) < 4 * MAX_TOTAL
    assert "the line is full" in text
