"""Replaying and dropping what a group has parked, over all partitions, in constant memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from consumers.parking.kinds import Kind, handle_of, kind_of
from eventstore.consuming.sending import persist, send
from eventstore.errors import Unavailable
from eventstore.flow import Call, Flow, call
from eventstore.parking.reading import live_keys, page, size
from eventstore.parking.replaying import Replay, Replayed
from eventstore.parking.taking import unpark

if TYPE_CHECKING:
    from collections.abc import Collection

    from consumers.parking.kinds import Handler
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.parking.replaying import Report
    from eventstore.parking.taking import How


async def replay_parked(
    access: StoreAccess, group: str, handler: Handler | None, report: Report
) -> list[Replayed]:
    """Hand what a group has parked to its handler again, in the order of the log.

    `handler` is that of a subscriber's events. What a competing group has parked goes back to its
    work, for whoever competes. Killed at any point, it is completed by running it again. Raises
    what `handle_of` and `Replay.run` raise.
    """
    kind = await persist(access, partial(kind_of, access.partitions, group))
    if kind is Kind.COMPETING:
        return [await _queue(access, keys, group, report) for keys in access.partitions]
    found = []
    for keys in access.partitions:
        handle = handle_of(access, keys, kind, group, handler)
        found.append(await Replay(access, keys, group, handle, report).run())
    return found


async def _queue(access: StoreAccess, keys: Keys, group: str, report: Report) -> Replayed:
    names = await persist(access, partial(live_keys, keys, group))
    done, after = Replayed(keys.partition, await send(access, size(names))), 0
    while True:
        report(done)
        after, items = await persist(access, partial(page, names, after))
        if not items:
            return done
        moved = await _move(access, unpark(keys, names, group, "work", items), len(items))
        done = msgspec.structs.replace(done, handled=done.handled + moved)


async def _move(access: StoreAccess, step: Call[int], count: int) -> int:
    """Put a page of that many events back to work; return how many of them were parked till then.

    All of them, if the first reply was lost: it did it, or the same again did.
    """
    try:
        return await access.run(call(step))
    except Unavailable:
        await send(access, step)
        return count


def drop_parked(log: Log, group: str, refs: Collection[str] | None, *, dry_run: bool) -> Flow[int]:
    """Drop events that a group has parked, those of some refs or all; return how many.

    A read model still lacks a dropped event, and its session is still known to; any other group
    counts it as handled.
    """
    kind = yield from kind_of(log.partitions, group)
    how: How = "drop" if kind is Kind.PROJECTION else "forget"
    count = 0
    for keys in log.partitions:
        names = yield from live_keys(keys, group)
        after = 0
        while True:
            after, items = yield from page(names, after)
            if not items:
                break
            chosen = [item for item in items if refs is None or item.ref in refs]
            if dry_run:
                count += len(chosen)
            elif chosen:
                count += yield from call(unpark(keys, names, group, how, chosen))
    return count
