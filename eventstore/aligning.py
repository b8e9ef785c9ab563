"""Aligning two sequences: the longest subsequence that both have. Pure.

Bit-parallel (Hyyrö, 2004): a row of the usual table is one integer, a bit for each element of the
second sequence, so that two branches of 10,000 steps take a fraction of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


def common_pairs(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return index pairs of equal elements, both indexes rising, as many as there can be."""
    first = 0
    while first < min(len(a), len(b)) and a[first] == b[first]:
        first += 1
    last = 0
    while last < min(len(a), len(b)) - first and a[-1 - last] == b[-1 - last]:
        last += 1
    middle = _longest(a[first : len(a) - last], b[first : len(b) - last])
    return [
        *((n, n) for n in range(first)),
        *((first + i, first + j) for i, j in middle),
        *((len(a) - n, len(b) - n) for n in range(last, 0, -1)),
    ]


def _longest(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    places: dict[Hashable, int] = {}
    for j, element in enumerate(b):
        places[element] = places.get(element, 0) | 1 << j
    every = (1 << len(b)) - 1
    # In rows[i] bit j is 0 where b[j] makes the best match of a[:i] one longer.
    rows = [every]
    for element in a:
        row = rows[-1]
        hits = row & places.get(element, 0)
        rows.append((row + hits | row - hits) & every)
    pairs = []
    i, j = len(a), len(b)
    while i and j:
        bit = 1 << (j - 1)
        if rows[i] & bit:
            j -= 1
        elif not rows[i - 1] & bit:
            i -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]
