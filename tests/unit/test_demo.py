"""The sample's tools, its judge, and the kinds of keys."""

from __future__ import annotations

from pathlib import Path

import pytest

import eventstore
from consumers.demo.sample import judge
from consumers.demo.tools import ToolError, calculate, count_words, fingerprint, list_modules
from consumers.monitoring.footprint import kind_of
from eventstore.keys import Keys
from eventstore.operations import Row

SOURCE = Path(eventstore.__file__).parent


@pytest.mark.parametrize(
    ("expression", "value"),
    [("2", 2.0), ("6 / 4", 1.5), ("1 / 3", 0.33), ("(1 + 2) * 3 - 4", 5.0)],
)
def test_the_calculator_calculates(expression: str, value: float) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression", ["", "1 +", "1 / 0", "2 ** 9", "__import__('os')", "x", "'a' * 3", "-1"]
)
def test_the_calculator_takes_nothing_else(expression: str) -> None:
    with pytest.raises(ToolError):
        calculate(expression)


def test_the_tools_read_the_source() -> None:
    modules = list_modules("eventstore")
    assert {"bus.py", "embedded/client.py"} <= set(modules)
    words = sum(len((SOURCE / name).read_text().split()) for name in modules)
    assert count_words("eventstore") == {"files": len(modules), "words": words}


def test_no_other_package_is_read() -> None:
    with pytest.raises(ToolError, match="os"):
        list_modules("os")


def test_the_fingerprint_is_the_same_twice() -> None:
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 64


def _row(type_: str, payload: object, **header: str) -> Row:
    return Row({"type": type_, **header}, payload)


def test_the_judge_asks_for_an_answer_a_calculation_and_the_assumption() -> None:
    calculated = _row("tool_result", 2.51, tool_name="calculate")
    vague = _row("state", {"answer": "2.5 hours."})
    exact = _row("state", {"answer": "2.5 hours at 200 words a minute."})
    guessed = _row("state", {"answer": "9.9 hours at 200 words a minute."})
    assert list(judge([]).values()) == [False, False, False]
    assert list(judge([calculated, vague]).values()) == [True, True, False]
    assert list(judge([calculated, vague, exact]).values()) == [True, True, True]
    assert list(judge([calculated, guessed]).values()) == [True, False, True]


def test_kinds_of_keys_hold_no_names_of_users() -> None:
    keys = Keys("ns", 3)
    session = "a:tag:{b}"
    first, second = keys.projection(), keys.projection(2)
    kinds = {
        keys.meta: "meta",
        keys.stream: "stream",
        keys.session(session): "session",
        keys.session_log(session): "session:log",
        keys.payload("0" * 32): "payload",
        keys.payload_digests: "payload:digests",
        keys.payload_missing: "payload:missing",
        keys.lease("index"): "lease",
        first.headers(session): "artifacts:headers",
        first.tag(session, "x:y"): "artifacts:tag",
        second.tag(session, "x:y"): "artifacts:tag",
    }
    assert {key: kind_of(key, keys) for key in kinds} == kinds
