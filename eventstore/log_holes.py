"""Holes in a partition's stream: entries that somebody deleted, which no trim does."""

from __future__ import annotations


def missing_entries(last: int, length: int, first: int, trimmed: int) -> int:
    """Return how many entries a stream lacks that was read in the order of the arguments.

    `last` and `first` are the positions of its ends, `length` is how many entries it has, `trimmed`
    the last position that was trimmed. What is appended or trimmed while they are read makes it
    seem longer, so 0 may be too few; more than 0 never is.
    """
    return max(0, last - first + 1 - length) + max(0, first - 1 - trimmed)
