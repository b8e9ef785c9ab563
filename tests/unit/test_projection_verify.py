"""Comparing read models: every fault is found and named, and nothing else is."""

from __future__ import annotations

import pytest

from projections.memory import Content
from projections.verify import Difference, Digest, differences

HASH = Content("hash", {b"a": b"1", b"b": b"2"})


def test_equal_contents_differ_nowhere() -> None:
    same = Content("hash", {b"b": b"2", b"a": b"1"})
    assert list(differences("k", HASH, same)) == []
    assert list(differences("k", None, None)) == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Content("hash", {b"a": b"1"}), [Difference("k", b"b", b"2", None)]),
        (Content("hash", {b"a": b"1", b"b": b"3"}), [Difference("k", b"b", b"2", b"3")]),
        (Content("hash", {**HASH.rows, b"c": b"4"}), [Difference("k", b"c", None, b"4")]),
        (Content("zset", dict(HASH.rows)), [Difference("k", None, b"hash", b"zset")]),
        (None, [Difference("k", b"a", b"1", None), Difference("k", b"b", b"2", None)]),
    ],
)
def test_a_changed_missing_or_extra_row_is_named(
    found: Content | None, expected: list[Difference]
) -> None:
    assert list(differences("k", HASH, found)) == expected


def test_every_row_of_an_extra_key_is_a_difference() -> None:
    assert list(differences("k", None, Content("string", {b"": b"x"}))) == [
        Difference("k", b"", None, b"x")
    ]


def test_a_type_that_no_projection_writes_is_a_difference_without_rows() -> None:
    found = Content("list")
    assert list(differences("k", None, found)) == [Difference("k", None, None, b"list")]
    assert list(differences("k", HASH, found)) == [Difference("k", None, b"hash", b"list")]


@pytest.mark.parametrize("value", [b"x" * 10_000, "é\n".encode() * 5_000, b"\xff" * 9_999])
def test_a_difference_reads_as_one_line_of_bounded_length(value: bytes) -> None:
    line = str(Difference("k\udcff\n", b"row\n", value, None))
    assert line.isprintable()
    assert len(line) < 500
    assert "is absent" in line
    assert f"({len(value)} bytes)" in line


def digest(*keys: tuple[str, Content]) -> str:
    result = Digest()
    for name, content in keys:
        result.add(name, content)
    return result.hexdigest()


def test_the_order_of_keys_and_rows_does_not_matter() -> None:
    turned = Content("hash", {b"b": b"2", b"a": b"1"})
    other = Content("zset", {b"m": b"1.0"})
    assert digest(("h", HASH), ("z", other)) == digest(("z", other), ("h", turned))


@pytest.mark.parametrize(
    "other",
    [
        [],
        [("i", HASH)],
        [("h", Content("zset", HASH.rows))],
        [("h", Content("hash", {b"a": b"1"}))],
        [("h", Content("hash", {b"a": b"1", b"b": b"3"}))],
        [("h", Content("hash", {b"a1": b"", b"b": b"2"}))],
        [("h", HASH), ("i", HASH)],
    ],
)
def test_whatever_differs_has_another_digest(other: list[tuple[str, Content]]) -> None:
    assert digest(*other) != digest(("h", HASH))
    assert len(digest(*other)) == 64
