"""The program of docs/sessions.md runs as it stands, with nothing else set up."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from support.embedded import Sandbox
from support.house import ROOT
from support.program import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "sessions.md").read_text(encoding="utf-8")


def test_the_program_runs_as_it_stands(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with Sandbox() as sandbox:
        env = clean_environment(
            EVENTSTORE_HOME=str(sandbox.home.path), EVENTSTORE_METRICS__PORT="0"
        )
        done = subprocess.run(
            [sys.executable, "-P", "-c", program],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
