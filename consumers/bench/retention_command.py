"""`scripts/bench retention`: is the log flat while many events pass a retention window?

Exits with 1 if it grows by more than is allowed once it has settled.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table

from consumers.bench.output import bar, document, note
from consumers.bench.report import Machine, describe_machine, find_versions
from consumers.bench.retention import Flatness, Sample, judge, pass_window
from consumers.bench.runs import STEPS
from consumers.bench.server import PERSISTENCE, running_server
from consumers.monitoring.usage import FilesUsage
from eventstore.errors import EventStoreError

if TYPE_CHECKING:
    from collections.abc import Sequence


class KindGrowth(msgspec.Struct, frozen=True):
    """What a kind of key takes for each event between the settled sample and the last one."""

    name: str
    keys: int
    bytes: int
    growth_per_event: float


class Retention(msgspec.Struct, frozen=True):
    """What was found: `kinds` at the end, the largest first, `samples` in order."""

    machine: Machine
    versions: dict[str, str]
    persistence: str
    events: int
    window: int
    steps_a_session: int
    seconds: float
    events_per_second: float
    flatness: Flatness
    flat: bool
    kinds: list[KindGrowth]
    files: list[FilesUsage]
    samples: list[Sample]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print what was found; return the exit code."""
    given = _parser().parse_args(arguments)
    settled = -(-given.settle * given.window // given.every)
    if given.events // given.every <= settled:
        note(f"too few events: sample {settled} would be the settled one, and no other come after")
        return 2
    machine = describe_machine()
    try:
        with running_server(given.persistence, given.dir) as server:
            versions = find_versions(server)
            with bar(f"events past a window of {given.window:,}", given.events) as progress:
                passed = pass_window(server, given.events, given.window, given.every, progress)
    except EventStoreError as error:
        note(f"{type(error).__name__}: {error}")
        return 1
    samples, files = passed
    flatness = judge(samples, given.window, given.settle * given.window, given.growth)
    found = Retention(
        machine=machine,
        versions=versions,
        persistence=given.persistence,
        events=given.events,
        window=given.window,
        steps_a_session=STEPS,
        seconds=samples[-1].seconds,
        events_per_second=round(samples[-1].events / samples[-1].seconds, 1),
        flatness=flatness,
        flat=flatness.is_flat,
        kinds=_kinds(samples, flatness.since),
        files=files,
        samples=samples,
    )
    if given.json:
        document(found)
    else:
        _show(found)
    return 0 if found.flat else 1


def _kinds(samples: Sequence[Sample], since: int) -> list[KindGrowth]:
    last = samples[-1]
    settled = next(sample for sample in samples if sample.events == since)
    before = {kind.name: kind.bytes for kind in settled.kinds}
    events = max(1, last.events - since)
    return [
        KindGrowth(
            kind.name,
            kind.keys,
            kind.bytes,
            round((kind.bytes - before.get(kind.name, 0)) / events, 2),
        )
        for kind in last.kinds
    ]


def _show(found: Retention) -> None:
    console, flatness = Console(), found.flatness
    console.print(_samples(found))
    console.print(_growth(found))
    for each in found.files:
        size = "unknown" if each.bytes is None else f"{each.bytes / found.events:,.1f}"
        console.print(f"{each.name}: {size} bytes an event in files")
    verdict = "[green]flat[/]" if found.flat else "[bold red]not flat[/]"
    console.print(
        f"The log is {verdict}: {_mib(flatness.full)} MiB with a full window, at most "
        f"{_mib(flatness.most_later)} MiB after {flatness.since:,} events "
        f"({flatness.growth:+.1%}, {flatness.allowed:.0%} is allowed). "
        f"{found.events_per_second:,.0f} events/s through all groups of one worker, with the pauses"
    )


def _samples(found: Retention) -> Table:
    table = Table(title=f"MiB of memory, {found.window:,} events kept in the server")
    names = ("log", "sessions", "read models", "others", "used", "worker")
    for name in ("events", "kept", "at most", *names):
        table.add_column(name, justify="right")
    for each in found.samples:
        counts = (each.events, each.log_events, each.most_log_events)
        sizes = (each.log, each.sessions, each.read_models, each.others, each.used_memory)
        worker = "unknown" if each.worker is None else _mib(each.worker)
        table.add_row(*(f"{n:,}" for n in counts), *map(_mib, sizes), worker)
    return table


def _growth(found: Retention) -> Table:
    table = Table(
        title=f"Kinds of keys at the end, and their growth since {found.flatness.since:,}"
    )
    table.add_column("kind")
    for name in ("keys", "MiB", "bytes an event"):
        table.add_column(name, justify="right")
    for kind in found.kinds:
        table.add_row(
            kind.name, f"{kind.keys:,}", _mib(kind.bytes), f"{kind.growth_per_event:,.1f}"
        )
    return table


def _mib(size: int) -> str:
    return f"{size / 2**20:,.2f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench retention", description=__doc__)
    add = parser.add_argument
    add("--events", type=int, default=1_000_000, help="events that are appended")
    add("--window", type=int, default=50_000, help="events that stay in the server")
    add("--every", type=int, default=50_000, help="events between two samples")
    add("--settle", type=int, default=2, help="windows after which the log may not grow")
    add("--growth", type=float, default=0.1, help="share by which it may all the same")
    add("--persistence", choices=tuple(PERSISTENCE), default="none")
    add("--dir", type=Path, help="where server and payloads write (default: temporary)")
    add("--json", action="store_true", help="one JSON document on standard output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
