"""The bench of the payload group moves every payload, to local files and to S3 on loopback.

Slow because it starts a server, an S3 server, and a group for each number of writers.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from support.server import short_dir

ROOT = Path(__file__).parents[2]


def test_every_place_and_number_of_writers_is_measured() -> None:
    directory = short_dir()
    command = [str(ROOT / "scripts" / "bench"), "payloads", "--json", "--dir", str(directory)]
    sizes = ["--payloads", "150", "--writers", "1", "8", "--repetitions", "1"]
    done = subprocess.run([*command, *sizes], capture_output=True, text=True, check=False)
    directory.rmdir()
    assert done.returncode == 0, done.stderr
    rates = json.loads(done.stdout)["rates"]
    runs = [(rate["place"], rate["writers"]) for rate in rates]
    assert runs == [("file", 1), ("file", 8), ("s3", 1), ("s3", 8)]
    for rate in rates:
        assert rate["payloads"] == 150
        assert rate["stored_bytes"] > 150 * 200
        assert rate["per_second"] > 0
