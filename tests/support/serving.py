"""A worker as a program of its own, as an operator runs it, in an environment of the test's."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_STOP_SECONDS = 15.0


@contextmanager
def serving(environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """Run a worker for everything there is; it must end in order."""
    command = [sys.executable, "-P", "-m", "consumers", "work"]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=environment, stderr=errors)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(_STOP_SECONDS) == 0, log.read_text()
