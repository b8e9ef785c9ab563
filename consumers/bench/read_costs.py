"""What reads of one large session cost: time, round trips and bytes.

Nothing else talks to the server meanwhile, so its own counters say how often it was asked and how
much it answered.
"""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.bench.timing import latency

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import redis

    from eventstore.bus import EventBus

    Read = Callable[[], object]

PAGE: Final = 50


class ReadCost(msgspec.Struct, frozen=True):
    """What a call takes: milliseconds, and on average round trips to the server and its bytes."""

    name: str
    artifacts: int
    calls: int
    p50_ms: float
    p99_ms: float
    round_trips: float
    bytes: int


def page_reads(bus: EventBus, session: str, child: str, refs: Sequence[str]) -> dict[str, Read]:
    """Return reads of one artifact or one page; `refs` are some of the session's, in order."""
    chance = random.Random(2)
    middle = bus.get(refs[len(refs) // 2]).header["ts"]
    search = partial(bus.search, session, limit=PAGE)
    return {
        "get": lambda: bus.get(chance.choice(refs)),
        f"search, newest {PAGE}": search,
        "search by tag": lambda: search(tag="bench"),
        "search by type": lambda: search(type="tool_call"),
        "search by agent": lambda: search(agent="agent-1"),
        "search by type and agent": lambda: search(type="tool_call", agent="agent-1"),
        "search, a page half-way": lambda: search(until=middle),
        "search by type, a page half-way": lambda: search(type="tool_call", until=middle),
        f"history, last {PAGE}": lambda: bus.history(session, limit=PAGE),
        f"history of a fork, last {PAGE}": lambda: bus.history(session, child, limit=PAGE),
    }


def whole_reads(bus: EventBus, session: str, child: str, length: int) -> dict[str, Read]:
    """Return reads of a whole branch of so many steps."""
    return {
        f"history of a fork of {length:,}, whole": lambda: bus.history(session, child),
        f"read of {length:,} events of the log": lambda: bus.store.read(session, limit=length),
    }


def measure_reads(
    client: redis.Redis, artifacts: int, reads: Mapping[str, Read], calls: int
) -> list[ReadCost]:
    """Return the cost of each read, called so many times after one that does not count."""
    return [_cost(client, name, artifacts, read, calls) for name, read in reads.items()]


def _cost(client: redis.Redis, name: str, artifacts: int, read: Read, calls: int) -> ReadCost:
    read()
    asked, answered = _counters(client)
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - started)
    asked_after, answered_after = _counters(client)
    took = latency(name, "", seconds)
    # The second look at the counters is a round trip too.
    trips = (asked_after - asked - 1) / calls
    return ReadCost(
        name=name,
        artifacts=artifacts,
        calls=calls,
        p50_ms=took.p50_ms,
        p99_ms=took.p99_ms,
        round_trips=round(trips, 2),
        bytes=round((answered_after - answered) / calls),
    )


def _counters(client: redis.Redis) -> tuple[int, int]:
    """Return how often the server has read from connections, and the bytes that it wrote."""
    info = client.info("stats")
    return int(info["total_reads_processed"]), int(info["total_net_output_bytes"])
