"""Workers log to files of their own, in their data directory if they have one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from support.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

STOP_TIMEOUT = 60.0


def test_each_worker_has_a_file_of_its_own(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    environment = {
        **os.environ,
        "REDIS_URL": server.url,
        "EVENTSTORE_STORE__NAMESPACE": namespace,
        "EVENTSTORE_HOME": str(home),
        "EVENTSTORE_METRICS__PORT": "0",
    }
    command = [sys.executable, "-m", "consumers", "work", "--processes", "2"]
    files = [home / "logs" / f"main.worker-{number}.log" for number in (0, 1)]
    with (
        (tmp_path / "console").open("wb") as console,
        subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=console) as process,
    ):
        try:
            until(lambda: all(file.exists() for file in files), what="a line of each worker")
            process.terminate()
            assert process.wait(STOP_TIMEOUT) == 0
        finally:
            process.kill()
    for number, file in enumerate(files):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert {line["worker"] for line in lines} == {f"worker-{number}"}
        assert len({line["pid"] for line in lines}) == 1
        assert lines[0]["message"].startswith("serving http://")
    assert not (tmp_path / "logs").exists()
    assert "serving http://" in (tmp_path / "console").read_text()
