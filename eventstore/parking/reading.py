"""What is parked: how much, which events, and whose sessions lack something. All are flows.

The keys of a group's parked events are of its live generation, so each look begins with its
checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore.flow import Call, Flow, batch, call
from eventstore.parking.degraded import missing_in_session
from eventstore.parking.record import Parked, decode_parked
from eventstore.views import Checkpoint, checkpoint, parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventstore.keys import Keys, ParkedKeys

PAGE: Final = 100


class Count(NamedTuple):
    """How many events a group has parked in one partition, and how many it left out in all.

    What was left out and is parked no more was dropped.
    """

    group: str
    partition: int
    parked: int
    left_out: int


def count_parked(partitions: Iterable[Keys]) -> Flow[list[Count]]:
    """Return the counts of every group in every partition, those that left nothing out as well."""
    places = list(partitions)
    found = yield from batch([checkpoints(keys) for keys in places])
    return (yield from counts_at(places, found))


def checkpoints(keys: Keys) -> Call[dict[str, Checkpoint]]:
    """Return the checkpoint of every group in a partition; what rebuilds and replays keep is not
    among them.
    """

    def parse(reply: list[bytes]) -> dict[str, Checkpoint]:
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return {name.decode(): parse_checkpoint(value) for name, value in pairs if b"@" not in name}

    return Call("HGETALL", (keys.checkpoints,), (), parse)


def counts_at(
    partitions: Sequence[Keys], found: Sequence[dict[str, Checkpoint]]
) -> Flow[list[Count]]:
    """Return the counts of groups whose checkpoints are known, by partition."""
    slots = [
        (keys, group, keys.parked(group, at.generation))
        for keys, groups in zip(partitions, found, strict=True)
        for group, at in groups.items()
    ]
    calls: list[Call[int]] = []
    for _, _, names in slots:
        calls += [size(names), Call("ZCARD", (names.positions,), (), int)]
    counts = yield from batch(calls)
    return [
        Count(group, keys.partition, counts[2 * n], counts[2 * n + 1])
        for n, (keys, group, _) in enumerate(slots)
    ]


def live_keys(keys: Keys, group: str) -> Flow[ParkedKeys]:
    """Return the keys of what a group left out in its live generation."""
    at = yield from call(checkpoint(keys, group))
    return keys.parked(group, at.generation)


def size(names: ParkedKeys) -> Call[int]:
    """Return how many events are parked under these keys."""
    return Call("HLEN", (names.items,), (), int)


def page(names: ParkedKeys, after: int, limit: int = PAGE) -> Flow[tuple[int, list[Parked]]]:
    """Return the parked events behind a position in the order of the log, at most `limit`.

    With them comes the position to go on from, 0 if there are no more.
    """
    while True:
        positions = yield from call(left_out(names, after + 1, None, limit))
        if not positions:
            return 0, []
        items = yield from call(_items(names, positions))
        after = positions[-1]
        if items:
            return after, items


def find(names: ParkedKeys, position: int) -> Flow[Parked | None]:
    """Return the parked event at a position, None if none is parked there."""
    items = yield from call(_items(names, [position]))
    return items[0] if items else None


def left_out(names: ParkedKeys, first: int, last: int | None, limit: int) -> Call[list[int]]:
    """Return the positions that a group left out, from the first to the last, at most `limit`."""
    bounds = (first, "+inf" if last is None else last)
    return Call(
        "ZRANGEBYSCORE",
        (names.positions,),
        (*bounds, "LIMIT", 0, limit),
        lambda reply: [int(position) for position in reply],
    )


def degraded(keys: Keys, session_id: str) -> Flow[dict[str, int]]:
    """Return, by group, how many events of a session it left out; groups that have all are not
    among them.
    """
    found = yield from call(checkpoints(keys))
    counts = yield from batch(
        [
            missing_in_session(keys.parked(group, at.generation), session_id)
            for group, at in found.items()
        ]
    )
    return {group: count for group, count in zip(found, counts, strict=True) if count}


def _items(names: ParkedKeys, positions: Sequence[int]) -> Call[list[Parked]]:
    def parse(reply: list[Any]) -> list[Parked]:
        return [decode_parked(value) for value in reply if value is not None]

    return Call("HMGET", (names.items,), tuple(map(str, positions)), parse)
