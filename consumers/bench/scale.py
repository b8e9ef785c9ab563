"""One session that grows large: what its reads cost, and how fast its read models are made anew."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from consumers.bench.pacing import Pace
from consumers.bench.read_costs import ReadCost, measure_reads, page_reads, whole_reads
from consumers.bench.sample import BATCH, artifacts
from consumers.bench.worker import running_worker
from consumers.checking.catching_up import wait_until_caught_up
from consumers.rebuild.run import Stage, rebuild_projection
from consumers.working.groups import known_groups
from eventstore.bus import EventBus
from eventstore.consuming.access import StoreAccess
from eventstore.store import EventStore
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.bench.server import BenchServer
    from consumers.rebuild.run import Step
    from eventstore.settings import AppSettings
    from projections.base import Projection

BRANCH: Final = 10_000
"""Steps of the branch that is read whole, if there are so many artifacts."""
_NAMESPACE: Final = "bench-scale"
_SESSION: Final = "run"
_CHILD: Final = "child"
_AHEAD: Final = 20_000
_WHOLE_CALLS: Final = 5
_REFS: Final = 10_000


class RebuildRate(msgspec.Struct, frozen=True):
    """A read model made anew; `equal` if it is what a fold of the log gives."""

    name: str
    artifacts: int
    events: int
    seconds: float
    per_second: float
    equal: bool


class Scale(msgspec.Struct, frozen=True):
    """A session of so many artifacts. `consumed_per_second` is by all groups of one worker."""

    artifacts: int
    consumed_per_second: float
    reads: list[ReadCost]
    rebuilds: list[RebuildRate]


def measure_scale(
    server: BenchServer, count: int, calls: int, progress: Callable[[str, int], object]
) -> Scale:
    """Fill a session of a new store, then time its reads and rebuild each of its projections.

    `progress` is told what is done, and how many events of it.
    """
    settings = server.settings(_NAMESPACE)
    with EventBus(EventStore(settings)) as bus:
        started = time.monotonic()
        with running_worker(server, _NAMESPACE):
            refs = _fill(bus, count, lambda done: progress("filling", done))
            length = min(BRANCH, count)
            bus.fork(_SESSION, at=length - 1, name=_CHILD)
            wait_until_caught_up(bus.store, known_groups())
        seconds = time.monotonic() - started
        with server.client() as client:
            pages = page_reads(bus, _SESSION, _CHILD, refs)
            whole = whole_reads(bus, _SESSION, _CHILD, length)
            reads = measure_reads(client, count, pages, calls)
            reads += measure_reads(client, count, whole, min(calls, _WHOLE_CALLS))
    rebuilds = [anyio.run(_rebuild, settings, each, count, progress) for each in PROJECTIONS]
    return Scale(count, round(count / seconds, 1), reads, rebuilds)


def _fill(bus: EventBus, count: int, progress: Callable[[int], object]) -> list[str]:
    """Publish the artifacts, and return refs of some, in order."""
    chance, pace = random.Random(1), Pace(bus, _AHEAD)
    source = artifacts(count)
    share = min(1.0, _REFS / count)
    refs: list[str] = []
    for start in range(0, count, BATCH):
        pace.wait(start)
        batch = [next(source) for _ in range(min(BATCH, count - start))]
        rows = bus.publish_many(
            [({**header, "session_id": _SESSION}, payload) for header, payload in batch]
        )
        refs += [row.ref for row in rows if chance.random() < share]
        progress(start + len(batch))
    return refs


async def _rebuild(
    settings: AppSettings,
    projection: Projection,
    count: int,
    progress: Callable[[str, int], object],
) -> RebuildRate:
    def report(step: Step) -> None:
        if step.stage is Stage.BUILD:
            progress(f"{step.stage.value} {projection.name}", step.done)

    access = StoreAccess(settings, groups=1)
    try:
        (rebuilt,) = await rebuild_projection(access, projection, report)
    finally:
        await access.close()
    return RebuildRate(
        name=rebuilt.projection,
        artifacts=count,
        events=rebuilt.events,
        seconds=round(rebuilt.seconds, 3),
        per_second=round(rebuilt.events / rebuilt.seconds, 1),
        equal=rebuilt.verified.is_equal,
    )
