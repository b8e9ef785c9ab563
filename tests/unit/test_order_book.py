"""The judge of what subscriber processes did finds planted breaches, and nothing else."""

from __future__ import annotations

import pytest
from support.order_book import Line, judge


def book(text: str) -> list[Line]:
    """Return lines from `process position[what]`, with g(iven), k(ept) or l(ost)."""
    words = {"g": "given", "k": "kept", "l": "lost"}
    lines = []
    for item in text.split():
        process, place = item.split(":")
        lines.append(Line(words[place[-1]], int(process), 0, int(place[:-1]), "s"))
    return lines


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("1:1g 1:1k 1:2g 1:2k 2:3g 2:3k", 0),
        ("1:1g 1:2g 1:3g 1:3k", 0),
        ("1:1g 1:1k 1:2g 2:2g 2:2k 2:3g", 1),
        ("1:1g 1:1k 1:2g 1:3g 1:4g 2:2g 2:3g 2:4g 2:5g", 3),
        ("1:1g 1:1k 1:2g 2:3g", 0),
        ("3:1g 2:1g 2:1k 3:1l 2:2g", 0),
    ],
    ids=["handed over", "a batch", "in hand", "a killed batch", "kept, not said", "a zombie"],
)
def test_what_is_in_order(text: str, again: int) -> None:
    verdict = judge(book(text), {1})
    assert verdict.faults == []
    assert verdict.again == again


@pytest.mark.parametrize(
    "text",
    [
        "1:2g",
        "1:1g 1:3g",
        "1:1g 1:1k 2:3g",
        "1:1g 1:1k 2:1g",
        "1:1g 1:2g 1:1g",
        "3:1g 3:2g 2:2g",
        "1:1g 1:2g 2:1g 1:3g",
    ],
    ids=["a start", "a gap", "over", "kept again", "back", "from the living", "two at once"],
)
def test_what_is_not(text: str) -> None:
    assert judge(book(text), {1}).faults


def test_places_are_told_apart_by_partition() -> None:
    lines = [Line("given", 1, p, n, "s") for n in (1, 2) for p in (0, 1)]
    assert judge(lines, set()) == ([], 0, {0: 2, 1: 2})
