"""`group delete`: a consumer group taken away, with what it kept for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from consumers.groups.holding import check_kind, expect_ok, holding, standings
from eventstore.consuming.presence import competitors_of
from eventstore.errors import GroupNotFound, GroupRefused
from eventstore.flow import Call, Flow, as_is, batch, call
from eventstore.parking.replaying import replay_name
from eventstore.scripts import script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys

_PAGE: Final = 1000
_START_OF_SCAN: Final = b"0"


class Removal(msgspec.Struct, frozen=True):
    """What a group has in one partition: a position, None while being deleted, and own keys."""

    partition: int
    position: int | None
    keys: int
    owner: str | None


async def delete_group(
    access: StoreAccess, group: str, *, take_over: bool = False, dry_run: bool = True
) -> list[Removal]:
    """Take a program's group away, or what an uninstalled projection left of itself.

    Its position goes, what it keeps for itself, its work, and what it has parked; trimming waits
    for it no more. Returns what was, or would be, removed. Raises `GroupNotFound`, and
    `GroupRefused` for one of the store's own or if somebody alive consumes it and is not to be
    taken over. Killed half-way, the group cannot be used until it is run again.
    """
    check_kind(group, "deleted")
    found = await _removals(access, group)
    if dry_run:
        return found
    if not take_over:
        await _check_no_competitor(access, group)
    replay = replay_name(group)
    async with (
        holding(access, access.partitions, group, take_over=take_over) as holds,
        holding(access, access.partitions, replay, take_over=take_over) as others,
    ):
        for keys, hold in holds.items():
            await access.run(_delete(keys, group, hold.token, "mark"))
        for keys in holds:
            await access.run(call(Call("HDEL", (keys.checkpoints,), (replay,), int)))
            async for page in _own_keys(access, keys, group):
                await access.run(batch([Call("UNLINK", (), tuple(page), int)]))
                for each in (*holds.values(), *others.values()):
                    await each.keep()
        # The partition that decides whether there is such a group comes last.
        for keys, hold in reversed(holds.items()):
            await access.run(_delete(keys, group, hold.token, "finish"))
    return found


async def _check_no_competitor(access: StoreAccess, group: str) -> None:
    takeover = access.settings.consuming.takeover_seconds
    [seated] = await access.run(competitors_of(access.partitions[0], [group], takeover))
    if seated:
        raise GroupRefused(
            group,
            f"{', '.join(seated)} competes for its work; end that first, or take it over: "
            "--take-over",
        )


async def _removals(access: StoreAccess, group: str) -> list[Removal]:
    known: list[Call[Any]] = [
        Call("HGET", (key,), (group,), as_is)
        for keys in access.partitions
        for key in (keys.subscribers, keys.competing)
    ]
    records = await access.run(batch(known))
    places = await access.run(standings(access.partitions, group))
    if all(each is None for each in records) and not any(at for at, _ in places):
        raise GroupNotFound(group)
    found = []
    for keys, (at, owner) in zip(access.partitions, places, strict=True):
        count = 0
        async for page in _own_keys(access, keys, group):
            count += len(page)
        position = None if at is None else at.position
        found.append(Removal(keys.partition, position, count, owner))
    return found


def _delete(keys: Keys, group: str, token: str, step: Literal["mark", "finish"]) -> Flow[None]:
    work = keys.work(group)
    reply = yield from call(
        Call(
            script("delete"),
            (
                keys.lease(group),
                keys.subscribers,
                keys.checkpoints,
                keys.stream,
                keys.progress(group),
                keys.members(group),
                keys.competing,
                work.stream,
                work.due,
                work.seats,
            ),
            (token, group, step),
            as_is,
        )
    )
    expect_ok(group, reply)


async def _own_keys(access: StoreAccess, keys: Keys, group: str) -> AsyncIterator[list[bytes]]:
    """Yield pages of the keys that a group keeps for itself, of its work and what it has parked."""
    work = keys.work(group)
    names = [name.encode() for name in (*keys.parked(group).all, work.stream, work.due)]
    exist: list[Call[int]] = [Call("EXISTS", (), (name,), int) for name in names]
    there = await access.run(batch(exist))
    if any(there):
        yield [name for name, is_there in zip(names, there, strict=True) if is_there]
    cursor = _START_OF_SCAN
    while True:
        args = (cursor, "MATCH", keys.subscriber(group).pattern, "COUNT", _PAGE)
        step: Call[Any] = Call("SCAN", (), args, as_is)
        cursor, found = await access.run(call(step))
        if found:
            yield found
        if cursor == _START_OF_SCAN:
            return
