"""Reads, and how soon what was published is visible, with a worker in a process of its own."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.bench.memory import Memory, measure_memory
from consumers.bench.sample import BATCH, SESSIONS, artifacts
from consumers.bench.timing import Latency, latency
from consumers.bench.worker import running_worker
from consumers.checking.catching_up import wait_until_caught_up
from consumers.working.groups import known_groups
from eventstore.bus import EventBus
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.bench.server import BenchServer

_NAMESPACE: Final = "bench-reading"
_PAGE: Final = 50


class Reading(msgspec.Struct, frozen=True):
    """What reads of a filled store take, in time and memory."""

    latencies: list[Latency]
    memory: Memory


def read_filled_store(server: BenchServer, count: int, calls: int) -> Reading:
    """Fill a store, let a worker catch up, and time `calls` of each sort of read."""
    with EventBus(EventStore(server.settings(_NAMESPACE))) as bus:
        items = list(artifacts(count))
        refs = []
        for start in range(0, count, BATCH):
            refs += [row.ref for row in bus.publish_many(items[start : start + BATCH])]
        with running_worker(server, _NAMESPACE):
            wait_until_caught_up(bus.store, known_groups())
            memory = measure_memory(bus, items)
            return Reading(_latencies(bus, server.persistence, refs, calls), memory)


def _latencies(bus: EventBus, persistence: str, refs: list[str], calls: int) -> list[Latency]:
    chance = random.Random(1)
    new = artifacts(calls, start=len(refs))

    def session() -> str:
        return f"run-{chance.randrange(SESSIONS)}"

    def visible() -> None:
        header, payload = next(new)
        row = bus.publish(header, payload)
        (found,) = bus.search(header["session_id"], limit=1)
        assert found.header["ref"] == row.ref

    reads: dict[str, Callable[[], object]] = {
        "get": lambda: bus.get(chance.choice(refs)),
        f"search, newest {_PAGE}": lambda: bus.search(session(), limit=_PAGE),
        f"search by type, newest {_PAGE}": lambda: bus.search(
            session(), type="tool_call", limit=_PAGE
        ),
        f"search by type and agent, newest {_PAGE}": lambda: bus.search(
            session(), type="tool_call", agent="agent-1", limit=_PAGE
        ),
        f"history, last {_PAGE}": lambda: bus.history(session(), limit=_PAGE),
        "publish, then a search that shows it": visible,
    }
    return [latency(name, persistence, _times(read, calls)) for name, read in reads.items()]


def _times(read: Callable[[], object], calls: int) -> list[float]:
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - started)
    return seconds
