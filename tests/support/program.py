"""`eventstore` as a program of its own, on the embedded store of a sandbox or on a server."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from eventstore.settings_sources import ALIASES, PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COMMAND = (sys.executable, "-P", "-c", "from consumers.entry import main; main()")
_SECONDS = 60.0


def clean_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without the project's settings, and with `more`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(PREFIX) and name not in ALIASES
    }
    return {**kept, **more}


def run_program(
    *arguments: str, env: Mapping[str, str], cwd: Path, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its exit code must be `code`."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=env,
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done


def start_program(*arguments: str, env: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
    """Start a command whose output is read while it runs."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
