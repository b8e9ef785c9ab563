"""Where a subscriber group begins: decided once, for all partitions, and kept with the group.

Partition 0 is set up first, and its record names the place in every partition. Whoever finds it
set up, but not the others, completes what was begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from eventstore.errors import GroupRefused, InvalidInput
from eventstore.flow import Call, Flow, as_is, batch, call
from eventstore.keys import FIRST_GENERATION
from eventstore.scripts import script
from eventstore.times import current_timestamp
from eventstore.views import START, Checkpoint, parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.subscribing.wanted import Start


class Begun(msgspec.Struct, frozen=True):
    """How a group began: its checkpoint in each partition, and when."""

    starts: tuple[str, ...]
    created: str

    def checkpoint(self, partition: int) -> Checkpoint:
        """Return where the group began in a partition."""
        return parse_checkpoint(self.starts[partition].encode())


_decode = msgspec.json.Decoder(Begun).decode
_encode = msgspec.json.Encoder().encode


def begin_group(log: Log, group: str, start: Start) -> Flow[None]:
    """Set a group up in every partition; `start` counts only if there is no such group yet.

    Raises `InvalidInput` for a place that the log does not have, `GroupRefused` if another kind
    of group has the name, or this one is being deleted.
    """
    records = yield from records_of(log.partitions, group)
    if all(records):
        return
    known = next((record for record in records if record), None)
    begun = known or Begun(tuple(map(str, (yield from places(log, start)))), current_timestamp())
    for keys in log.partitions:
        begun = yield from call(_subscribe(keys, group, begun))


def records_of(partitions: Sequence[Keys], group: str) -> Flow[list[Begun | None]]:
    """Return how a group began, by partition; None where it is not set up.

    Raises `GroupRefused` if it is being deleted.
    """
    found: list[bytes | None] = yield from batch(
        [Call("HGET", (keys.subscribers,), (group,), as_is) for keys in partitions]
    )
    if b"" in found:
        raise deleting(group)
    return [None if record is None else _decode(record) for record in found]


def places(log: Log, start: Start) -> Flow[list[Checkpoint]]:
    """Return the checkpoint that a start stands for in each partition; raises `InvalidInput`."""
    count = len(log.partitions)
    if start == "begin":
        return [START] * count
    heads = yield from log.heads()
    if start == "end":
        return [Checkpoint(FIRST_GENERATION, head.position, head.chain) for head in heads]
    positions = _positions(start, count)
    found = []
    for keys, position in zip(log.partitions, positions, strict=True):
        head = heads[keys.partition].position
        if position > head:
            raise InvalidInput(
                f"start: partition {keys.partition} ends at {head}, {position} is behind that"
            )
        found.append((yield from place(log, keys, position)))
    return found


def place(log: Log, keys: Keys, position: int) -> Flow[Checkpoint]:
    """Return the checkpoint at a position that the log has."""
    if not position:
        return START
    (recorded,) = yield from log.at_positions(keys, [position])
    return Checkpoint(FIRST_GENERATION, position, recorded.chain)


def _positions(start: Start, count: int) -> list[int]:
    if not isinstance(start, Mapping):
        if count > 1:
            raise InvalidInput(
                f"start: the store has {count} partitions with positions of their own; give a "
                "mapping of each partition to one"
            )
        return [int(start)]
    if set(start) != set(range(count)):
        raise InvalidInput(
            f"start: the partitions are 0 to {count - 1}, each with a position; not {start!r}"
        )
    return [start[partition] for partition in range(count)]


def _subscribe(keys: Keys, group: str, begun: Begun) -> Call[Begun]:
    start = begun.checkpoint(keys.partition)

    def parse(reply: list[bytes]) -> Begun:
        outcome, *details = reply
        if outcome == b"deleting":
            raise deleting(group)
        if outcome == b"taken":
            raise GroupRefused(
                group, "another kind of group has this name; `eventstore group list` shows it"
            )
        return _decode(details[0])

    return Call(
        script("subscribe"),
        (keys.subscribers, keys.competing, keys.checkpoints, keys.stream),
        (group, _encode(begun), str(start), start.position),
        parse,
    )


def deleting(group: str) -> GroupRefused:
    """Return the error for a group that is being deleted."""
    return GroupRefused(
        group, "it is being deleted; complete that: `eventstore group delete NAME --yes`"
    )
