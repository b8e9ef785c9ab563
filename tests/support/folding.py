"""Folding events in memory, and reading the result as a test wants to see it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from eventstore.keys import Keys
from projections.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys
    from projections.base import Projection

KEYS = Keys("test", 0).projection()


def fold(
    projection: Projection,
    events: Iterable[Recorded],
    *,
    cuts: Sequence[int] = (),
    keys: ProjectionKeys = KEYS,
) -> Memory:
    """Return what a projection makes of events, folded in one batch or cut at these indexes."""
    memory, every = Memory(), list(events)
    borders = [0, *sorted(cuts), len(every)]
    for first, last in itertools.pairwise(borders):
        if every[first:last]:
            memory.advance(projection, every[first:last], keys)
    return memory


def rows(memory: Memory, key: str) -> dict[str, Any]:
    """Return a hash of JSON rows, {} if there is none."""
    content = memory.keys.get(key)
    if content is None:
        return {}
    assert content.kind == "hash"
    return {field.decode(): msgspec.json.decode(value) for field, value in content.rows.items()}


def members(memory: Memory, key: str) -> list[tuple[str, float]]:
    """Return a sorted set in the server's order, [] if there is none."""
    content = memory.keys.get(key)
    if content is None:
        return []
    assert content.kind == "zset"
    pairs = [(float(score), member) for member, score in content.rows.items()]
    return [(member.decode(), score) for score, member in sorted(pairs)]
