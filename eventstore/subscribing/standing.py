"""Where a subscriber stands in a partition, and whether the log still bears it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.consuming.history import is_borne_out
from eventstore.errors import Diverged, GroupNotFound
from eventstore.flow import Call, Flow
from eventstore.views import parse_checkpoint

if TYPE_CHECKING:
    from eventstore.keys import Keys
    from eventstore.views import Checkpoint


def checkpoint_of(keys: Keys, group: str) -> Call[Checkpoint]:
    """Return a subscriber's checkpoint. Raises `GroupNotFound` if it has none."""

    def parse(reply: bytes | None) -> Checkpoint:
        if reply is None:
            raise GroupNotFound(group)
        return parse_checkpoint(reply)

    return Call("HGET", (keys.checkpoints,), (group,), parse)


def check_history(keys: Keys, group: str, at: Checkpoint) -> Flow[None]:
    """Raise `Diverged` if the log no longer holds the history that a subscriber was given."""
    if not (yield from is_borne_out(keys, at)):
        raise diverged(keys, group, at)


def diverged(keys: Keys, group: str, at: Checkpoint) -> Diverged:
    """Return the error for a subscriber whose history the log does not hold."""
    return Diverged(
        f"partition {keys.partition}: group {group!r} was given the log up to {at.position} with "
        f"chain {at.chain}, and the log holds another history there: events were lost. Restore "
        "the log, or look into what the subscriber did with them and `eventstore group reset` it",
        partition=keys.partition,
        at=at.position,
    )
