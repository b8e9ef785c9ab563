"""The bench of ticks runs, and counts what it says it counts.

Slow because it starts a server and a driver process.
"""

from __future__ import annotations

import json
import subprocess
import sys


def test_every_tick_is_counted() -> None:
    command = [sys.executable, "-m", "consumers.bench.ticking", "--json"]
    sizes = ["--sessions", "4", "--agents", "2", "--rounds", "3", "--persistence", "none"]
    done = subprocess.run([*command, *sizes], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (found["sessions"], found["agents"], found["ticks"]) == (4, 2, 12)
    assert 0 <= found["p50_ms"] <= found["p99_ms"]
