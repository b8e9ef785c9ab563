"""`scripts/bench scale`: reads and rebuilds of one session of 10,000 and of a million artifacts.

Exits with 1 if a read model that was made anew is not what a fold of the log gives.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table

from consumers.bench.output import bar, document, note
from consumers.bench.report import Machine, describe_machine, find_versions
from consumers.bench.scale import Scale, measure_scale
from consumers.bench.server import PERSISTENCE, BenchServer, running_server
from eventstore.errors import EventStoreError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Scales(msgspec.Struct, frozen=True):
    """What was found, a session of its own for each number of artifacts."""

    machine: Machine
    versions: dict[str, str]
    persistence: str
    scales: list[Scale]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print what was found; return the exit code."""
    given = _parser().parse_args(arguments)
    machine = describe_machine()
    versions: dict[str, str] = {}
    scales = []
    try:
        for count in given.artifacts:
            with running_server(given.persistence, given.dir) as server:
                versions = find_versions(server)
                scales.append(_measure(server, count, given.calls))
    except EventStoreError as error:
        note(f"{type(error).__name__}: {error}")
        return 1
    found = Scales(machine, versions, given.persistence, scales)
    if given.json:
        document(found)
    else:
        _show(found)
    return 0 if all(each.equal for scale in scales for each in scale.rebuilds) else 1


def _measure(server: BenchServer, count: int, calls: int) -> Scale:
    """Measure one size, with a bar for each thing that is done one after the other."""
    with ExitStack() as stack:
        bars: dict[str, Any] = {}

        def progress(what: str, done: int) -> None:
            if what not in bars:
                stack.close()
                bars[what] = stack.enter_context(bar(f"{what}, {count:,} artifacts", count))
            bars[what](done)

        return measure_scale(server, count, calls, progress)


def _show(found: Scales) -> None:
    console = Console()
    for table in (_reads(found.scales), _rebuilds(found.scales)):
        console.print(table)
    for scale in found.scales:
        console.print(
            f"{scale.artifacts:,} artifacts were appended and consumed by all groups of one "
            f"worker at {scale.consumed_per_second:,.0f} a second"
        )


def _reads(scales: Sequence[Scale]) -> Table:
    table = Table(title="A call on one session: milliseconds, round trips, bytes from the server")
    table.add_column("what")
    for name in ("artifacts", "p50", "p99", "trips", "bytes", "calls"):
        table.add_column(name, justify="right")
    for each in (read for scale in scales for read in scale.reads):
        times = (f"{each.p50_ms:,.2f}", f"{each.p99_ms:,.2f}", f"{each.round_trips:.1f}")
        cells = (f"{each.artifacts:,}", *times, f"{each.bytes:,}", f"{each.calls:,}")
        table.add_row(each.name, *cells)
    return table


def _rebuilds(scales: Sequence[Scale]) -> Table:
    table = Table(title="Read models made anew")
    table.add_column("projection")
    for name in ("artifacts", "events", "seconds", "events/s"):
        table.add_column(name, justify="right")
    table.add_column("")
    for each in (rebuilt for scale in scales for rebuilt in scale.rebuilds):
        cells = (f"{each.artifacts:,}", f"{each.events:,}", f"{each.seconds:,.1f}")
        verdict = "equal" if each.equal else "[bold red]differs[/]"
        table.add_row(each.name, *cells, f"{each.per_second:,.0f}", verdict)
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench scale", description=__doc__)
    add = parser.add_argument
    add("--artifacts", type=int, nargs="+", default=[10_000, 1_000_000], help="sizes, 100 at least")
    add("--calls", type=int, default=300, help="calls of each sort of read")
    add("--persistence", choices=tuple(PERSISTENCE), default="none")
    add("--dir", type=Path, help="where server and payloads write (default: temporary)")
    add("--json", action="store_true", help="one JSON document on standard output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
