"""What messages show of a value is short and printable, whatever the value is."""

from __future__ import annotations

import pytest

from eventstore.errors import ArtifactNotFound, InvalidEvent, InvalidName
from eventstore.shown import sentence, shown


@pytest.mark.parametrize("value", ["a", "", b"a", 7, None, True, ["a"], 1.5, "\ud800"])
def test_a_short_value_is_shown_as_it_is(value: object) -> None:
    assert shown(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x" * 1_000_000, f"{'x' * 100!r}… (1,000,000 in all)"),
        (b"x" * 101, f"{b'x' * 100!r}… (101 in all)"),
        (10**5_000, "an integer of 16610 bits"),
        ([10**5_000], "a list"),
        (["x" * 1_000], f"['{'x' * 98}…"),
    ],
    ids=["text", "bytes", "integer", "holds an integer", "list"],
)
def test_of_a_long_value_the_beginning_is_shown(value: object, said: str) -> None:
    assert shown(value) == said


def test_a_sentence_is_text_that_any_output_takes() -> None:
    assert sentence("a\ud800") == "a\\ud800"
    assert sentence("é" * 1_000) == "é" * 1_000
    cut = sentence("a" + "x" * 10_000 + "; the remedy")
    assert cut.startswith("axx")
    assert cut.endswith("xx; the remedy")
    assert "…(9,013 left out)…" in cut


def test_an_error_of_what_was_asked_for_is_a_sentence_and_keeps_the_field() -> None:
    for error in (InvalidEvent("f\ud800" * 1_000, "p"), InvalidName("f\ud800" * 1_000, "p")):
        assert len(str(error).encode()) < 1_100
    assert InvalidEvent("f" * 5_000, "p").field == "f" * 5_000
    assert len(str(ArtifactNotFound("x" * 5_000))) < 300
