"""What a level of durability costs: events a second, at `memory` (everysec) and at `fsync`."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.bench.publishing import Source
from consumers.bench.sample import BATCH
from consumers.bench.server import running_server
from eventstore.bus import EventBus
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from consumers.bench.sample import Artifact
    from consumers.bench.server import BenchServer

LEVELS: Final = ("everysec", "fsync")
"""How the servers persist; a store on the first can promise `memory`, on the second `fsync`."""
PRODUCERS: Final = 16
_NAMESPACE: Final = "bench-levels"


class Rate(msgspec.Struct, frozen=True):
    """Events appended a second: the median of some repetitions of so many events each."""

    name: str
    durability: str
    persistence: str
    events: int
    repetitions: int
    per_second: float


def measure_levels(below: Path | None, single: int, batches: int, repetitions: int) -> list[Rate]:
    """Append one by one, a hundred at a time, and from 16 threads, on servers of both levels.

    In turns, so that a busy machine slows both alike, after one turn that does not count.
    """
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    events: dict[str, int] = {}
    with ExitStack() as stack:
        servers = [stack.enter_context(running_server(level, below)) for level in LEVELS]
        buses = [stack.enter_context(_bus(server)) for server in servers]
        for repetition in range(repetitions + 1):
            for server, bus in zip(servers, buses, strict=True):
                for name, (count, work) in _ways(bus, single, batches).items():
                    started = time.perf_counter()
                    work()
                    if repetition:
                        seconds[name, server.persistence].append(time.perf_counter() - started)
                    events[name] = count
        levels = {server.persistence: server.durability for server in servers}
    return [
        Rate(
            name=name,
            durability=levels[persistence],
            persistence=persistence,
            events=events[name],
            repetitions=repetitions,
            per_second=round(events[name] / statistics.median(taken), 1),
        )
        for (name, persistence), taken in seconds.items()
    ]


def _bus(server: BenchServer) -> EventBus:
    bus = EventBus(EventStore(server.settings(_NAMESPACE)))
    bus.store.open()
    return bus


def _ways(bus: EventBus, single: int, batches: int) -> dict[str, tuple[int, Callable[[], None]]]:
    """Return how many events each way appends, and the work; what is published is made before."""
    source = Source()
    singles = source.take(single)
    groups = [source.take(BATCH) for _ in range(batches)]
    shares = [source.take(max(1, single // PRODUCERS)) for _ in range(PRODUCERS)]

    def in_batches() -> None:
        for group in groups:
            bus.publish_many(group)

    def from_threads() -> None:
        with ThreadPoolExecutor(PRODUCERS) as pool:
            for done in [pool.submit(_publish, bus, share) for share in shares]:
                done.result()

    return {
        "one by one": (single, lambda: _publish(bus, singles)),
        f"{BATCH} at a time": (batches * BATCH, in_batches),
        f"{PRODUCERS} threads, one by one": (sum(map(len, shares)), from_threads),
    }


def _publish(bus: EventBus, items: Sequence[Artifact]) -> None:
    for header, payload in items:
        bus.publish(header, payload)
