"""The document of a benchmark, and how a person sees it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from rich.console import Console
from rich.table import Table

from consumers.bench.levels import Rate
from consumers.bench.memory import Memory
from consumers.bench.timing import Comparison, Latency

if TYPE_CHECKING:
    from consumers.bench.server import BenchServer

_CPU_INFO: Final = Path("/proc/cpuinfo")
_LIBRARIES: Final = ("eventstore", "redis", "hiredis", "msgspec")


class Machine(msgspec.Struct, frozen=True):
    """Where it ran: `cpus` this process may use, and the load average before it began."""

    cpus: int
    processor: str
    system: str
    load_before: float


class Document(msgspec.Struct, frozen=True):
    """Everything that a benchmark found. Comparisons are this project to redis-py alone."""

    started: str
    seconds: float
    quick: bool
    machine: Machine
    versions: dict[str, str]
    comparisons: list[Comparison]
    latencies: list[Latency]
    memory: Memory
    levels: list[Rate]


def describe_machine() -> Machine:
    """Return what there is to know of this machine."""
    return Machine(
        cpus=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        processor=_processor(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        load_before=round(os.getloadavg()[0], 2),
    )


def _processor() -> str:
    text = _CPU_INFO.read_text() if _CPU_INFO.exists() else ""
    named = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return named[1] if named else platform.processor() or "unknown"


def find_versions(server: BenchServer) -> dict[str, str]:
    """Return the versions of all that was measured: libraries, Python and server."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    with server.client() as client:
        info = client.info("server")
    versions["python"] = platform.python_version()
    name = str(info.get("server_name", "redis"))
    versions[name] = str(info.get(f"{name}_version", info["redis_version"]))
    return versions


def show(document: Document) -> None:
    """Print the document as tables on standard output."""
    console = Console()
    machine = document.machine
    console.print(
        f"{machine.cpus} CPUs ({machine.processor}), load {machine.load_before} before; "
        + ", ".join(f"{name} {version}" for name, version in document.versions.items())
    )
    found = (_comparisons, _levels, _latencies, _memory)
    for table in (make(document) for make in found):
        console.print(table)


def _comparisons(document: Document) -> Table:
    table = Table(title="Microseconds an operation: medians, this project beside redis-py alone")
    for name in ("what", "persistence"):
        table.add_column(name)
    for name in ("ours", "redis-py", "ratio"):
        table.add_column(name, justify="right")
    for each in document.comparisons:
        cells = (f"{each.ours_us:,.1f}", f"{each.baseline_us:,.1f}", f"{each.ratio:.2f}")
        table.add_row(each.name, each.persistence, *cells)
    return table


def _levels(document: Document) -> Table:
    table = Table(title="Events appended a second, by what an acknowledged append survives")
    for name in ("how", "durability", "server"):
        table.add_column(name)
    table.add_column("events/s", justify="right")
    for each in document.levels:
        table.add_row(each.name, each.durability, each.persistence, f"{each.per_second:,.0f}")
    return table


def _latencies(document: Document) -> Table:
    table = Table(title="Milliseconds a call")
    for name in ("what", "persistence"):
        table.add_column(name)
    for name in ("p50", "p99"):
        table.add_column(name, justify="right")
    for each in document.latencies:
        table.add_row(each.name, each.persistence, f"{each.p50_ms:.2f}", f"{each.p99_ms:.2f}")
    return table


def _memory(document: Document) -> Table:
    memory = document.memory
    table = Table(title=f"Bytes an artifact, of {memory.artifacts:,}")
    table.add_column("where")
    table.add_column("bytes", justify="right")
    for kind in memory.kinds:
        if kind.bytes_per_artifact >= 1:
            table.add_row(kind.kind, f"{kind.bytes_per_artifact:,.0f}")
    table.add_row("all keys", f"{memory.redis:,.0f}", style="bold")
    table.add_row("a plain stream of the same", f"{memory.plain_stream:,.0f}")
    table.add_row("payload files", f"{memory.payload_files:,.0f}")
    return table
