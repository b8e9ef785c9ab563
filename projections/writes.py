"""Collecting a batch's changes into few commands: one a key, more only if one cannot hold them.

A later change of the same field or member replaces the earlier one, so a fold may change a row
as often as its events do and still write it once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from projections.base import Value, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projections.base import WriteCommand

MAX_ARGUMENTS: Final = 4_000
"""The most arguments that `lua/apply.lua` takes in one command."""


class Writes:
    """The changes of one fold, by key. A key is a hash or a sorted set, never both."""

    def __init__(self) -> None:
        self._hashes: dict[str, dict[str, Value]] = {}
        # None takes a member out.
        self._sets: dict[str, dict[str, Value | None]] = {}

    def set_field(self, key: str, field: str, value: Value) -> None:
        """Set a field of a hash."""
        self._hashes.setdefault(key, {})[field] = value

    def set_score(self, key: str, member: str, score: Value) -> None:
        """Set the score of a member of a sorted set."""
        self._sets.setdefault(key, {})[member] = score

    def remove_member(self, key: str, member: str) -> None:
        """Take a member out of a sorted set."""
        self._sets.setdefault(key, {})[member] = None

    def result(self) -> list[Write]:
        """Return the changes as commands, keys in the order in which they were first changed."""
        writes: list[Write] = []
        for key, fields in self._hashes.items():
            pairs = [part for pair in fields.items() for part in pair]
            writes += _split("HSET", key, pairs)
        for key, members in self._sets.items():
            scored = [(score, member) for member, score in members.items() if score is not None]
            writes += _split("ZADD", key, [part for pair in scored for part in pair])
            removed: list[Value] = [member for member, score in members.items() if score is None]
            writes += _split("ZREM", key, removed)
        return writes


def _split(command: WriteCommand, key: str, pairs: list[Value]) -> Iterator[Write]:
    for start in range(0, len(pairs), MAX_ARGUMENTS):
        yield Write(command, key, tuple(pairs[start : start + MAX_ARGUMENTS]))
