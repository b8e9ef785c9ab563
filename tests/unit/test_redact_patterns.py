"""The hook that comes with the package: keys, passwords and addresses go, all else stays."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.generating import json_values

from eventstore import redact_keys_and_emails

MASK = "*" * 10
HEADER = {"session_id": "me@example.org", "agent_id": "a", "type": "state"}


def clean(payload: Any) -> Any:
    return redact_keys_and_emails(HEADER, payload)[1]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("write to me@example.org.", f"write to {MASK}."),
        ("<First.Last+tag@mail.example.co.uk>, x@y.de", f"<{MASK}>, {MASK}"),
        ("müller@bücher.example", MASK),
        ("a" * 300 + "@example.org", MASK),
        ("the key is sk-hunter2hunter2", f"the key is {MASK}"),
        ("password=hunter2", f"password={MASK}"),
        ({"api_key": "x", "password": 7}, {"api_key": MASK, "password": MASK}),
        ({"token": ["x"], "n": 1}, {"token": MASK, "n": 1}),
        ({"secret": None, "password": True}, {"secret": None, "password": True}),
        ({"arguments": '{"to": "me@example.org"}'}, {"arguments": f'{{"to": "{MASK}"}}'}),
        ([{"a": ("me@example.org", 1)}], [{"a": [MASK, 1]}]),
        ({"me@example.org": 1}, {MASK: 1}),
        ({"me@example.org": 1, "you@example.org": 2}, {MASK: 1, f"{MASK} (2)": 2}),
        (
            {f"{MASK} (2)": 0, "me@example.org": 1, "you@example.org": 2},
            {f"{MASK} (2)": 0, MASK: 1, f"{MASK} (3)": 2},
        ),
        (b"me@example.org", b"me@example.org"),
    ],
)  # fmt: skip
def test_what_is_masked(given: Any, kept: Any) -> None:
    assert clean(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "@example.org", "me@", "me@localhost", "a @ b.org", "v1.2@3.4", "@decorator", "x@y.z9",
        {"prompt_tokens": 12, "author": "me", "tokens_per_second": 1.5, "n": None}, 7, True, None,
    ],
)  # fmt: skip
def test_what_stays(given: Any) -> None:
    assert clean(given) == given


def test_of_a_header_only_what_is_free_text_is_masked() -> None:
    header = {
        **HEADER,
        "meta": {"tags": ["me@example.org"], "token": "x"},
        "metrics": {"api_key": "x", "n": 1},
    }
    assert redact_keys_and_emails(header, None) == (
        {**HEADER, "meta": {"tags": [MASK], "token": MASK}, "metrics": {"api_key": MASK, "n": 1}},
        None,
    )


words = st.sampled_from(["me@example.org", "password", "api_key", "sk-hunter2hunter2", "n", MASK])
values = st.recursive(
    words | json_values(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_the_arguments_stay_and_the_same_gives_the_same(value: Any) -> None:
    before = copy.deepcopy(value)
    once = clean(value)
    assert value == before
    assert clean(copy.deepcopy(value)) == once
    assert clean(once) == once


@given(st.dictionaries(words | st.text(max_size=3), st.integers(), max_size=8))
def test_no_value_takes_the_place_of_another(value: dict[str, int]) -> None:
    kept = clean(value)
    assert len(kept) == len(value)
    assert [n for n in kept.values() if n != MASK] == [
        value[key] for key in sorted(value) if key not in ("password", "api_key")
    ]


@pytest.mark.parametrize("part", ["a", "a.", "a@", "@", "a@a.", "%+-"])
def test_long_text_takes_no_longer_than_its_length(part: str) -> None:
    """A search that goes back and forth would not come to its end within the test's time limit."""
    assert len(clean(part * 300_000)) == 300_000 * len(part)
