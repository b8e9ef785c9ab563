"""Alignments and JSON changes against the simplest thing that is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from support.generating import json_values

from eventstore.aligning import common_pairs
from eventstore.json_changes import changes

if TYPE_CHECKING:
    from collections.abc import Sequence

sequences = st.lists(st.sampled_from("abcd"), max_size=14)


def longest(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, by the usual table."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            grown = table[i][j] + 1 if one == other else 0
            table[i + 1][j + 1] = max(grown, table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(sequences, sequences)
def test_pairs_are_equal_rising_and_as_many_as_there_can_be(a: list[str], b: list[str]) -> None:
    pairs = common_pairs(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert [i for i, _ in pairs] == sorted({i for i, _ in pairs})
    assert [j for _, j in pairs] == sorted({j for _, j in pairs})
    assert len(pairs) == longest(a, b)


@given(sequences, st.lists(st.tuples(st.integers(0, 14), st.sampled_from("abcd")), max_size=5))
def test_what_is_inserted_stands_alone(a: list[str], inserted: list[tuple[int, str]]) -> None:
    b = list(a)
    for place, element in inserted:
        b.insert(min(place, len(b)), element)
    assert len(common_pairs(a, b)) == len(a)


@given(json_values(), json_values())
def test_only_what_differs_is_said(a: Any, b: Any) -> None:
    found = list(changes(a, b))
    assert (found == []) == (json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True))
    assert list(changes(a, a)) == []
    assert len({(each.op, each.path) for each in found}) == len(found)


@given(st.dictionaries(st.sampled_from("xyz"), json_values(max_leaves=3)), json_values())
def test_one_member_that_is_set_is_the_only_place(value: dict[str, Any], other: Any) -> None:
    found = list(changes({**value, "new key": 0}, {**value, "new key": [other]}))
    assert [(each.op, each.path) for each in found] == [("changed", '["new key"]')]
