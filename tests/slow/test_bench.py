"""`scripts/bench --quick --json` prints one document that says what was measured, and where.

Slow because it measures: three turns of each pair, on a server of its own. No time is asserted.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from support.server import short_dir

from consumers.bench.report import Document

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SYNC = {"publish vs XADD", "publish_many 100 vs pipeline"}
PROJECTIONS = {"index", "timeline", "branch", "evaluation"}
READS = {
    "get",
    "search, newest 50",
    "search by type, newest 50",
    "search by type and agent, newest 50",
    "history, last 50",
    "publish, then a search that shows it",
}


@pytest.fixture(scope="module")
def ran() -> Iterator[subprocess.CompletedProcess[str]]:
    directory = short_dir()
    command = [str(ROOT / "scripts" / "bench"), "--quick", "--json", "--dir", str(directory)]
    yield subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    # Everything of its own is gone.
    directory.rmdir()


def test_it_prints_one_document_and_tells_its_progress_apart(
    ran: subprocess.CompletedProcess[str],
) -> None:
    assert ran.returncode == 0, ran.stderr
    document = msgspec.json.decode(ran.stdout, type=Document)
    assert document.quick
    assert {line.partition("] ")[2] for line in ran.stderr.splitlines()} >= {
        each.name for each in document.comparisons
    }


def test_everything_is_compared(ran: subprocess.CompletedProcess[str]) -> None:
    found: list[dict[str, Any]] = json.loads(ran.stdout)["comparisons"]
    bare = {f"{name} vs XREADGROUP + XACK" for name in PROJECTIONS}
    assert {each["name"] for each in found} == SYNC | {f"asyncio {name}" for name in SYNC} | bare
    for each in found:
        assert each["ours_us"] > 0
        assert each["ratio"] == pytest.approx(each["ours_us"] / each["baseline_us"], rel=0.05)


def test_the_levels_of_durability_are_compared(
    ran: subprocess.CompletedProcess[str],
) -> None:
    document = msgspec.json.decode(ran.stdout, type=Document)
    ways = {"one by one", "100 at a time", "16 threads, one by one"}
    levels = {("memory", "everysec"), ("fsync", "fsync")}
    found = {(each.name, each.durability, each.persistence): each for each in document.levels}
    assert set(found) == {(way, *level) for way in ways for level in levels}
    assert all(each.per_second > 0 for each in found.values())


def test_reads_memory_and_the_machine_are_described(
    ran: subprocess.CompletedProcess[str],
) -> None:
    document = msgspec.json.decode(ran.stdout, type=Document)
    assert {each.name for each in document.latencies} == READS
    assert all(0 < each.p50_ms <= each.p99_ms for each in document.latencies)
    kinds = {kind.kind: kind.bytes_per_artifact for kind in document.memory.kinds}
    assert {"stream", "refs", "artifacts:headers", "artifacts:timeline"} <= set(kinds)
    assert document.memory.redis == pytest.approx(sum(kinds.values()), abs=len(kinds))
    assert document.memory.payload_files > 0
    assert document.machine.cpus > 0
    assert {"eventstore", "redis", "hiredis", "python"} <= set(document.versions)
