"""While events pass a retention window, with every group at work, the log stays as large as it was.

Slow because it lets 12,000 events pass a window of 1,000, with a worker in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from support.server import short_dir

from consumers.trimming.regular import LEAST

ROOT = Path(__file__).parents[2]
EVENTS, WINDOW, EVERY = 12_000, 1_000, 3_000


def test_the_log_is_flat_while_events_pass_its_window() -> None:
    directory = short_dir()
    command = [str(ROOT / "scripts" / "bench"), "retention", "--json", "--dir", str(directory)]
    sizes = ["--events", str(EVENTS), "--window", str(WINDOW), "--every", str(EVERY)]
    done = subprocess.run([*command, *sizes], capture_output=True, text=True, check=False)
    directory.rmdir()
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(done.stdout)
    samples = found["samples"]
    assert [sample["events"] for sample in samples] == [3_000, 6_000, 9_000, 12_000]
    for sample in samples:
        assert WINDOW <= sample["log_events"] < WINDOW + LEAST
        # A stream entry, a ref, a position in its session: about 450 bytes an event.
        assert sample["log"] < 1_000 * sample["log_events"]
        kinds = {kind["name"]: kind["bytes"] for kind in sample["kinds"]}
        parts = ("log", "sessions", "read_models", "others")
        assert sum(kinds.values()) == sum(sample[part] for part in parts)
        assert "payload" not in kinds, "no payload waits once all groups have caught up"
    assert found["flat"]
    files = {each["name"]: each for each in found["files"]}
    assert files["payloads"]["files"] == EVENTS
    assert files["journal"]["bytes"] > 0
    assert files["journal index"]["bytes"] > 0
    # What is left of events that were trimmed: a row of each artifact, and no more each time.
    rows = [sample["read_models"] / sample["events"] for sample in samples]
    assert max(rows) < 1.1 * min(rows)
