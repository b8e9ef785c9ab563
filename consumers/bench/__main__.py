"""`python -m consumers.bench [--quick] [--json]`, which `scripts/bench` calls."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio
import msgspec

from consumers.bench.consuming import projection_pairs
from consumers.bench.levels import measure_levels
from consumers.bench.publishing import asyncio_pairs, blocking_pairs
from consumers.bench.reading import Reading, read_filled_store
from consumers.bench.report import Document, describe_machine, find_versions, show
from consumers.bench.server import BenchServer, running_server
from consumers.bench.timing import Comparison, Pair, compare
from eventstore.errors import EventStoreError
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence


class Extent(NamedTuple):
    """How much a benchmark does."""

    persistences: tuple[str, ...]
    repetitions: int
    single: int
    batches: int
    events: int
    filled: int
    calls: int


FULL = Extent(("fsync", "none"), 9, single=300, batches=10, events=5_000, filled=5_000, calls=300)
QUICK = Extent(("none",), 3, single=30, batches=1, events=1_000, filled=500, calls=20)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print what was found; return the exit code."""
    given = _parser().parse_args(arguments)
    try:
        document = measure(QUICK if given.quick else FULL, given.dir, quick=given.quick)
    except EventStoreError as error:
        _note(f"{type(error).__name__}: {error}")
        return 1
    if given.json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    else:
        show(document)
    return 0


def measure(extent: Extent, directory: Path | None, *, quick: bool) -> Document:
    """Return the document of one benchmark; its servers live below `directory`."""
    started, clock = current_timestamp(), time.monotonic()
    machine = describe_machine()
    comparisons: list[Comparison] = []
    readings: list[Reading] = []
    versions: dict[str, str] = {}
    for persistence in extent.persistences:
        with running_server(persistence, directory) as server:
            versions = find_versions(server)
            comparisons += anyio.run(_compare_all, server, extent)
            _note(f"[{persistence}] reads of {extent.filled:,} artifacts")
            readings.append(read_filled_store(server, extent.filled, extent.calls))
    _note("[levels] appends at memory and at fsync")
    levels = measure_levels(directory, extent.single, extent.batches, extent.repetitions)
    return Document(
        started=started,
        seconds=round(time.monotonic() - clock, 1),
        quick=quick,
        machine=machine,
        versions=versions,
        comparisons=comparisons,
        latencies=[each for reading in readings for each in reading.latencies],
        memory=readings[-1].memory,
        levels=levels,
    )


async def _compare_all(server: BenchServer, extent: Extent) -> list[Comparison]:
    found: list[Comparison] = []
    with blocking_pairs(server, extent.single, extent.batches) as pairs:
        found += await _compare_each(server, extent, pairs)
    async with asyncio_pairs(server, extent.single, extent.batches) as pairs:
        found += await _compare_each(server, extent, pairs)
    async with projection_pairs(server, extent.events) as pairs:
        found += await _compare_each(server, extent, pairs)
    return found


async def _compare_each(
    server: BenchServer, extent: Extent, pairs: Sequence[Pair]
) -> list[Comparison]:
    found = []
    for pair in pairs:
        _note(f"[{server.persistence}] {pair.name}")
        found.append(await compare(pair, server.persistence, extent.repetitions))
    return found


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure this project beside redis-py alone, on private servers.",
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, one server")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument("--dir", type=Path, help="where the servers write (default: temporary)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
