"""Rough token counts, and short forms that never exceed their limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import estimate_tokens, summarise
from eventstore.errors import InvalidInput

words = st.text(alphabet=st.characters(codec="utf-8"), min_size=0, max_size=3000)


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("a" * 37, 10), ("é" * 37, 20), ("\ud800", 1)]
)
def test_tokens_are_bytes_by_3_7_rounded_up(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(words, st.integers(0, 2000))
def test_a_summary_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    summary = summarise(text, limit_chars=limit)
    assert len(summary) <= limit
    assert summary == text or len(text) > limit


def test_a_text_that_fits_is_itself() -> None:
    assert summarise("short") == "short"
    assert summarise("x" * 750) == "x" * 750


def test_beginning_and_end_stay_and_what_is_left_out_is_counted() -> None:
    text = "It began on a Monday. " + "middle " * 500 + "And so it ended."
    summary = summarise(text, limit_chars=100)
    head, _, rest = summary.partition(" […")
    count, _, tail = rest.partition(" characters…] ")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert tail.endswith("And so it ended.")
    assert int(count) == len(text) - len(head) - len(tail)
    assert not head.endswith("middl")


@pytest.mark.parametrize(("limit", "summary"), [(0, ""), (1, "…"), (5, "aaaa…")])
def test_with_no_room_for_a_count_the_end_is_cut(limit: int, summary: str) -> None:
    assert summarise("a" * 100, limit) == summary


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(InvalidInput, match="negative"):
        summarise("text", -1)
