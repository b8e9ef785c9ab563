"""`scripts/bench payloads`: the payload group alone, to local files and to S3 on loopback.

The S3 server is a Python process that keeps what it gets in memory and answers at once: what is
seen is the client's and its own work, not a network. On a disk, files are synced.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import anyio
import msgspec
from rich.console import Console
from rich.table import Table

from consumers.applying.payload_group import WRITERS, PayloadHandler
from consumers.bench.consuming import UpTo, consume
from consumers.bench.output import bar, document, note
from consumers.bench.report import Machine, describe_machine, find_versions
from consumers.bench.s3 import running_s3
from consumers.bench.sample import BATCH, artifacts
from consumers.bench.server import running_server
from eventstore.bus import EventBus
from eventstore.consuming.access import StoreAccess
from eventstore.errors import EventStoreError
from eventstore.settings_storage import PayloadSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumers.bench.server import BenchServer
    from eventstore.settings import AppSettings

PLACES: Final = ("file", "s3")


class PayloadRate(msgspec.Struct, frozen=True):
    """Payloads moved out of the server by so many writers at once, a median of repetitions."""

    place: str
    writers: int
    payloads: int
    repetitions: int
    stored_bytes: int
    per_second: float


class Payloads(msgspec.Struct, frozen=True):
    """What was found. A worker's own number of writers is `writers_of_a_worker`."""

    machine: Machine
    versions: dict[str, str]
    writers_of_a_worker: int
    rates: list[PayloadRate]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print what was found; return the exit code."""
    given = _parser().parse_args(arguments)
    machine = describe_machine()
    runs = [(place, writers) for place in given.places for writers in given.writers]
    turns = len(runs) * (given.repetitions + 1)
    try:
        with running_server("none", given.dir) as server, bar("payload groups", turns) as progress:
            versions = find_versions(server)
            rates = _rates(server, runs, given.payloads, given.repetitions, progress)
    except EventStoreError as error:
        note(f"{type(error).__name__}: {error}")
        return 1
    found = Payloads(machine, versions, WRITERS, rates)
    if given.json:
        document(found)
    else:
        _show(found)
    return 0


def _rates(
    server: BenchServer,
    runs: Sequence[tuple[str, int]],
    count: int,
    repetitions: int,
    progress: Callable[[int], None],
) -> list[PayloadRate]:
    """Do all runs in turns, forwards and backwards, after one turn that does not count."""
    seconds: dict[tuple[str, int], list[float]] = {run: [] for run in runs}
    stored: dict[tuple[str, int], int] = {}
    done = 0
    with ExitStack() as stack:
        places = {"file": PayloadSettings(url=server.payloads.as_uri())}
        if any(place == "s3" for place, _ in runs):
            s3 = stack.enter_context(running_s3(server.socket.parent))
            places["s3"] = PayloadSettings(url=s3.url, storage_options=s3.options)
        for repetition in range(repetitions + 1):
            for run in runs if repetition % 2 else reversed(runs):
                place, writers = run
                settings = server.settings(f"bench-payloads-{done}")
                settings = settings.model_copy(update={"payloads": places[place]})
                stored[run] = _fill(settings, count)
                took = anyio.run(_move, settings, writers, count)
                if repetition:
                    seconds[run].append(took)
                done += 1
                progress(done)
    return [
        PayloadRate(*run, count, repetitions, stored[run], round(count / median(taken), 1))
        for run, taken in seconds.items()
    ]


def _fill(settings: AppSettings, count: int) -> int:
    """Let payloads wait in the server; return their bytes."""
    with EventBus(EventStore(settings)) as bus:
        source = artifacts(count)
        for start in range(0, count, BATCH):
            bus.publish_many([next(source) for _ in range(min(BATCH, count - start))])
        infos = [each.event.payload for each in bus.store.read_all(0)]
    return sum(info.stored for info in infos if info is not None)


async def _move(settings: AppSettings, writers: int, count: int) -> float:
    access = StoreAccess(settings, groups=1)
    try:
        (keys,) = access.partitions
        handler = UpTo(PayloadHandler(access, writers), count)
        started = time.perf_counter()
        await consume(access, keys, handler)
        return time.perf_counter() - started
    finally:
        await access.close()


def _show(found: Payloads) -> None:
    table = Table(title="Payloads a second, out of the server into a payload store")
    table.add_column("place")
    for name in ("writers", "payloads", "bytes each", "payloads/s"):
        table.add_column(name, justify="right")
    for each in found.rates:
        worker = " (a worker's)" if each.writers == found.writers_of_a_worker else ""
        size = each.stored_bytes / each.payloads
        cells = (f"{each.writers}{worker}", f"{each.payloads:,}", f"{size:,.0f}")
        table.add_row(each.place, *cells, f"{each.per_second:,.0f}")
    Console().print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench payloads", description=__doc__)
    add = parser.add_argument
    add("--places", nargs="+", choices=PLACES, default=list(PLACES))
    add("--writers", type=int, nargs="+", default=[1, WRITERS, 4 * WRITERS], help="at once")
    add("--payloads", type=int, default=2_000, help="payloads of each run")
    add("--repetitions", type=int, default=3, help="of each run")
    add("--dir", type=Path, help="where server and files are (default: temporary)")
    add("--json", action="store_true", help="one JSON document on standard output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
