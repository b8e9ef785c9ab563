"""`projection rebuild`: a read model made anew from the log, while producers and readers go on.

A rebuild writes a generation of its own (`consumers.rebuild.build`) and puts it in the live
one's place, partition by partition; then it drops what was live, and compares the result with a
fold in memory. Wherever it is killed, running it again goes on from there, and completes what
was under way before it begins another one. It appends nothing and triggers no work.
"""

from __future__ import annotations

import enum
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from consumers.checking.verifying import Verified, verify_projection
from consumers.rebuild.build import Build
from consumers.rebuild.dropping import drop_generation
from consumers.rebuild.memory import check_headroom, measure
from consumers.rebuild.state import forget, generation_for, give_up, standing, target
from eventstore.consuming.reserving import reserve
from eventstore.errors import InvalidInput
from eventstore.flow import Flow, call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumers.rebuild.state import Standing
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from projections.base import Projection


class Stage(enum.Enum):
    """What a rebuild does at a moment, in this order."""

    MEASURE = "measuring"
    BUILD = "rebuilding"
    DROP = "dropping the old one"
    VERIFY = "comparing with the log"


class Step(NamedTuple):
    """How far a stage is: keys looked at, events folded, keys dropped; `total` None if unknown."""

    partition: int
    generation: int
    stage: Stage
    done: int
    total: int | None = None


Report: TypeAlias = "Callable[[Step], object]"


class Rebuilt(msgspec.Struct, frozen=True):
    """A rebuild of one partition, as far as this run did it.

    `resumed` says that an earlier run had begun it. `events` were folded in `seconds`;
    `keys_dropped` of older generations are gone. `verified` compares the result with the log.
    """

    projection: str
    partition: int
    generation: int
    resumed: bool
    events: int
    seconds: float
    keys_dropped: int
    verified: Verified


async def rebuild_projection(
    access: StoreAccess,
    projection: Projection,
    report: Report,
    partition: int | None = None,
) -> list[Rebuilt]:
    """Rebuild a projection in one partition or all, one after another; return what was done.

    If a rebuild of them is unfinished, it is completed: partitions that it has done are left
    out. Raises `RebuildRefused`, before anything is written or later, if memory does not
    suffice or another rebuild is under way, `GroupRefused` if a program's group has its name; and
    what `Build.run` raises.
    """
    chosen = _chosen(access, partition)
    await access.run(reserve(access.partitions[0], projection.name))
    everywhere = await _standings(access, projection)
    generation = target([everywhere[p] for p in chosen], everywhere)
    unfinished = any(everywhere[p].unfinished is not None for p in chosen)
    due = [
        p
        for p in chosen
        if everywhere[p].live.generation < generation or everywhere[p].unfinished is not None
    ]
    return [
        await _rebuild_partition(
            access, access.partitions[p], projection, generation, report, resumed=unfinished
        )
        for p in due
    ]


async def abort_rebuild(
    access: StoreAccess, projection: Projection, report: Report, partition: int | None = None
) -> int | None:
    """Give up what an unfinished rebuild has built; return how many keys of it were dropped.

    None if there is none. A partition that has been switched stays so.
    """
    dropped: list[int] = []
    for p in _chosen(access, partition):
        keys = access.partitions[p]
        for generation in (await _standing(access, keys, projection)).building:
            await access.run(give_up(keys, projection.name, generation))
        found = await _standing(access, keys, projection)
        dropped += [
            await _drop(access, keys, projection, generation, report)
            for generation in found.dropping
            if generation > found.live.generation
        ]
    return sum(dropped) if dropped else None


def _chosen(access: StoreAccess, partition: int | None) -> Sequence[int]:
    count = len(access.partitions)
    if partition is None:
        return range(count)
    if not 0 <= partition < count:
        raise InvalidInput(f"partition: there are {count}, counted from 0; {partition} is none")
    return (partition,)


async def _standings(access: StoreAccess, projection: Projection) -> list[Standing]:
    # One after another: the partitions of a cluster lie on several servers.
    return [await _standing(access, keys, projection) for keys in access.partitions]


async def _standing(access: StoreAccess, keys: Keys, projection: Projection) -> Standing:
    return await access.run(call(standing(keys, projection.name)))


async def _rebuild_partition(
    access: StoreAccess,
    keys: Keys,
    projection: Projection,
    goal: int,
    report: Report,
    *,
    resumed: bool,
) -> Rebuilt:
    found = await _standing(access, keys, projection)
    generation = generation_for(found, goal)
    step = partial(Step, keys.partition, generation)
    events, seconds = 0, 0.0
    if found.live.generation < generation:
        await _check_memory(access, keys, projection, found, generation, report)
        build = Build(
            access,
            keys,
            projection,
            generation,
            lambda done, total: report(step(Stage.BUILD, done, total)),
        )
        started = time.monotonic()
        await build.run()
        events, seconds = build.events, time.monotonic() - started
    old = (await _standing(access, keys, projection)).dropping
    dropped = 0
    for each in sorted(old):
        dropped += await _drop(access, keys, projection, each, report)
    report(step(Stage.VERIFY, 0))
    verified = await access.run(verify_projection(access.log, keys.partition, projection))
    await access.run(forget(keys, projection.name, old))
    return Rebuilt(
        projection=projection.name,
        partition=keys.partition,
        generation=generation,
        resumed=resumed,
        events=events,
        seconds=seconds,
        keys_dropped=dropped,
        verified=verified,
    )


async def _check_memory(
    access: StoreAccess,
    keys: Keys,
    projection: Projection,
    found: Standing,
    generation: int,
    report: Report,
) -> None:
    """Raise `RebuildRefused` if what is left to build does not fit beside the live generation."""
    step = partial(Step, keys.partition, generation, Stage.MEASURE)

    def size(of: int) -> Flow[int | None]:
        names = keys.projection(of)
        return measure(names, projection.families, lambda done: report(step(done)))

    live = await access.run(size(found.live.generation))
    built = await access.run(size(generation)) if generation in found.building else 0
    needed = None if live is None or built is None else max(0, live - built)
    await access.run(check_headroom(needed))


async def _drop(
    access: StoreAccess, keys: Keys, projection: Projection, generation: int, report: Report
) -> int:
    def dropped(count: int) -> None:
        report(Step(keys.partition, generation, Stage.DROP, count))

    return await drop_generation(access, keys, projection, generation, dropped)
