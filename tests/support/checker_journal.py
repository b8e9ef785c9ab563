"""The independent checker's view of the journal: what its segments hold, against the log."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.checker_log import Entry

SEGMENT = re.compile(r"(\d{20})-(\d{20})-([0-9a-f]{16})\.ndjson\.gz")


def lines(root: Path, uuid: str, partition: int, problems: list[str]) -> Iterator[dict[str, Any]]:
    """Read every line of a partition's journal, by segment; names that lie are problems."""
    for file in sorted((root / "journal" / uuid / str(partition)).glob("[!.]*")):
        found = SEGMENT.fullmatch(file.name)
        held = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
        positions = [line["position"] for line in held]
        if (
            found is None
            or positions != list(range(int(found[1]), int(found[2]) + 1))
            or held[-1]["chain"] != found[3]
        ):
            problems.append(f"segment {file.name} does not hold what its name says")
        yield from held


def check_journal(
    root: Path, uuid: str, partition: int, entries: list[Entry], passed: int, problems: list[str]
) -> None:
    """Note where the journal is not the log, or lacks what the journal group has passed."""
    held: set[int] = set()
    for line in lines(root, uuid, partition, problems):
        position = line["position"]
        held.add(position)
        if position > len(entries):
            problems.append(f"journal of partition {partition}: {position} is not in the log")
            continue
        entry = entries[position - 1]
        said = (line["ref"], line["digest"], line["chain"])
        if said != (entry.ref, entry.digest, entry.chain):
            problems.append(f"{entry.where}: the journal has another event there")
    missing = set(range(1, passed + 1)) - held
    if missing:
        problems.append(f"journal of partition {partition}: {min(missing)} is missing")
