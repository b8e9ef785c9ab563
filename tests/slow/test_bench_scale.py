"""What a read costs does not depend on the size of its session; a rebuild gives what there was.

Slow because two servers, each with a worker, are filled and read. No time is asserted.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.server import short_dir

ROOT = Path(__file__).parents[2]
SMALL, LARGE = 500, 3_000


@pytest.fixture(scope="module")
def scales() -> dict[int, dict[str, Any]]:
    directory = short_dir()
    command = [str(ROOT / "scripts" / "bench"), "scale", "--json", "--dir", str(directory)]
    sizes = ["--artifacts", str(SMALL), str(LARGE), "--calls", "5"]
    done = subprocess.run([*command, *sizes], capture_output=True, text=True, check=False)
    directory.rmdir()
    assert done.returncode == 0, done.stderr + done.stdout
    return {each["artifacts"]: each for each in json.loads(done.stdout)["scales"]}


def test_reads_take_as_many_round_trips_and_bytes_from_a_large_session(
    scales: dict[int, dict[str, Any]],
) -> None:
    small, large = (
        {read["name"]: read for read in scales[size]["reads"] if "whole" not in read["name"]}
        for size in (SMALL, LARGE)
    )
    pages = [name for name in small if name in large and "events of the log" not in name]
    assert len(pages) == 10
    for name in pages:
        assert large[name]["round_trips"] == small[name]["round_trips"] <= 5, name
        assert large[name]["bytes"] == pytest.approx(small[name]["bytes"], rel=0.2), name
        assert 0 < large[name]["p50_ms"] <= large[name]["p99_ms"]


def test_every_projection_is_rebuilt_as_it_was(scales: dict[int, dict[str, Any]]) -> None:
    for size, found in scales.items():
        rebuilt = {each["name"]: each for each in found["rebuilds"]}
        assert set(rebuilt) == {"index", "timeline", "branch", "evaluation"}
        for each in rebuilt.values():
            # The artifacts, and the fork.
            assert (each["events"], each["equal"]) == (size + 1, True)
            assert each["per_second"] > 0
