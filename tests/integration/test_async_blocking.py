"""The asyncio bus leaves its event loop free: no file, lock, process or sleep in its thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support.embedded import Sandbox

from eventstore.settings_sources import ALIASES, PREFIX

TESTS = Path(__file__).parents[1]


def test_an_embedded_store_is_used_without_blocking_the_loop() -> None:
    with Sandbox() as sandbox:
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(PREFIX) and name not in ALIASES
        }
        environ |= {"EVENTSTORE_HOME": str(sandbox.home.path), "PYTHONPATH": str(TESTS)}
        done = subprocess.run(
            [sys.executable, "-m", "support.blocking_probe"],
            env=environ,
            cwd=sandbox.directory,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
    assert report["rows"] == 3
    assert report["blocked"] == []
