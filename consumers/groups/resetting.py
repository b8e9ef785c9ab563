"""`group reset`: a subscriber group moved to another position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from consumers.groups.holding import check_kind, expect_ok, holding, records, standings
from eventstore.errors import GroupNotFound, GroupRefused, InvalidInput
from eventstore.flow import Call, Flow, as_is, call
from eventstore.parking.reading import live_keys, page
from eventstore.parking.replaying import replay_name
from eventstore.parking.taking import unpark
from eventstore.scripts import script
from eventstore.subscribing.beginning import place, places
from eventstore.views import Checkpoint, parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from typing import Literal

    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys

    Target = Literal["begin", "end"] | int


class Move(msgspec.Struct, frozen=True):
    """A group's step in one partition: from a position to another; `owner` holds the lease now."""

    partition: int
    before: int
    after: int
    owner: str | None


async def reset_group(
    access: StoreAccess,
    group: str,
    to: Target,
    partition: int | None = None,
    *,
    take_over: bool = False,
    dry_run: bool = True,
) -> list[Move]:
    """Move a subscriber group in one partition, or all; return what was, or would be, moved.

    What the group keeps for itself stays as it is; what it parked behind the place is parked no
    more, since it is given again. Raises `GroupNotFound`, `GroupRefused` if it
    is no subscriber or somebody alive holds it and is not to be taken over, `InvalidInput` for a
    place that the log does not have. Killed half-way, it is completed by running it again.
    """
    check_kind(group, "moved")
    chosen = _chosen(access, partition)
    if isinstance(to, int) and len(chosen) > 1:
        raise InvalidInput("position: partitions count for themselves; say which: --partition")
    await access.run(_check_subscriber(chosen, group))
    goals = await _goals(access, chosen, to)
    if dry_run:
        return await _moves(access, group, goals)
    async with (
        holding(access, chosen, group, take_over=take_over) as holds,
        holding(access, chosen, replay_name(group), take_over=take_over) as replays,
    ):
        moves = await _moves(access, group, goals)
        for keys, hold in holds.items():
            await hold.keep()
            await access.run(_move(keys, group, hold.token, goals[keys]))
            async for _ in _forget_parked(access, keys, group, goals[keys].position):
                for each in (*holds.values(), *replays.values()):
                    await each.keep()
    return moves


async def _forget_parked(
    access: StoreAccess, keys: Keys, group: str, after: int
) -> AsyncIterator[int]:
    """Take out what is parked behind a place, and yield the number of events page by page."""
    names = await access.run(live_keys(keys, group))
    while True:
        after, items = await access.run(page(names, after))
        if not items:
            return
        yield await access.run(call(unpark(keys, names, group, "forget", items)))


def _chosen(access: StoreAccess, partition: int | None) -> Sequence[Keys]:
    if partition is None:
        return access.partitions
    if not 0 <= partition < len(access.partitions):
        raise InvalidInput(f"partition: there are {len(access.partitions)}, counted from 0")
    return access.partitions[partition : partition + 1]


def _check_subscriber(chosen: Sequence[Keys], group: str) -> Flow[None]:
    found = yield from records(chosen, group)
    if b"" in found:
        raise GroupRefused(group, f"it is being deleted: `eventstore group delete {group} --yes`")
    if not all(found):
        raise GroupNotFound(group)


async def _goals(access: StoreAccess, chosen: Sequence[Keys], to: Target) -> dict[Keys, Checkpoint]:
    log = access.log
    if isinstance(to, int):
        [keys] = chosen
        head = (await access.run(log.heads()))[keys.partition].position
        if not 0 <= to <= head:
            raise InvalidInput(f"position: partition {keys.partition} has 0 to {head}, not {to}")
        return {keys: await access.run(place(log, keys, to))}
    everywhere = await access.run(places(log, to))
    return {keys: everywhere[keys.partition] for keys in chosen}


async def _moves(access: StoreAccess, group: str, goals: dict[Keys, Checkpoint]) -> list[Move]:
    found = await access.run(standings(list(goals), group))
    return [
        Move(keys.partition, 0 if at is None else at.position, goal.position, owner)
        for (keys, goal), (at, owner) in zip(goals.items(), found, strict=True)
    ]


def _move(keys: Keys, group: str, token: str, goal: Checkpoint) -> Flow[None]:
    at = yield from call(Call("HGET", (keys.checkpoints,), (group,), as_is))
    before = parse_checkpoint(at)
    after = goal._replace(generation=before.generation)
    step: Call[list[bytes]] = Call(
        script("reset"),
        (keys.lease(group), keys.checkpoints, keys.stream, keys.progress(group)),
        (token, group, str(before), str(after), after.position),
        as_is,
    )
    expect_ok(group, (yield from call(step)))
