"""The recorded tau-bench runs that tests read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
EIGHT_RUNS: Final = ROOT / "tests" / "data" / "tau-bench" / "gpt-4o-airline-8-runs.json"
SHARED: Final = ROOT.parent / "shared" / "data" / "tau-bench"


def recorded_files() -> list[Path]:
    """Return the files of recorded runs: the eight committed, and larger ones where present."""
    return [EIGHT_RUNS, *sorted(SHARED.glob("*.json"))]


def records_of(path: Path) -> list[dict[str, Any]]:
    """Return a file's records, read by the standard library alone."""
    records: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return records


def eight_records() -> list[dict[str, Any]]:
    """Return the committed records, a new copy each time."""
    return records_of(EIGHT_RUNS)


def write_runs(folder: Path, *records: Any, **dumps: Any) -> Path:
    """Write records as one array, with the arguments of `json.dumps`; return the file."""
    path = folder / "runs.json"
    path.write_text(json.dumps(records, **dumps), encoding="utf-8")
    return path
