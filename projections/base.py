"""What a projection is: a pure fold from events and declared state to writes.

The consumer reads what `needs` names, in one pipeline, hands the replies to `fold`, and makes
the returned writes and the checkpoint's move in one script (`lua/apply.lua`). A fold sees
nothing else: no clock, no randomness, no I/O. The same events thus give the same keys, whether
folded live, in a rebuild or in memory (`projections.memory`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from eventstore.consuming.writes import Value, Write, WriteCommand

if TYPE_CHECKING:
    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys

__all__ = ["Projection", "Read", "ReadCommand", "State", "Value", "Write", "WriteCommand"]

ReadCommand = Literal["HGET", "HMGET", "HGETALL", "ZSCORE", "ZRANGEBYSCORE"]


@dataclass(frozen=True, slots=True)
class Read:
    """One value that a fold needs: a command on one key."""

    command: ReadCommand
    key: str
    args: tuple[str, ...] = ()


State: TypeAlias = Mapping[Read, Any]
"""What the fold's reads found: the reply of each, as the server sends it (bytes, lists, None)."""


class Projection(Protocol):
    """A read model of the log.

    `name` is its consumer group and its checkpoint. `families` are the key segments behind the
    session that are its own (`timeline`, `tag`, …): no other projection writes keys of them.
    """

    name: str
    families: frozenset[str]

    def needs(self, events: Sequence[Recorded], keys: ProjectionKeys) -> Sequence[Read]:
        """Return the reads that `fold` wants for these events, each once."""
        ...

    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        """Return the writes that take the read model past these events, in order."""
        ...
