"""Processes of `parking_program.py`: started, and killed at the latest when the test ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventstore.settings import AppSettings

TESTS: Final = Path(__file__).parents[1]


@contextmanager
def program(settings: AppSettings, what: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program meanwhile; `log` takes its stderr."""
    assert settings.redis.url is not None
    sections = {
        "redis": {"url": settings.redis.url.get_secret_value()},
        "store": settings.store.model_dump(),
        "consuming": settings.consuming.model_dump(),
        "payloads": {"url": settings.payloads.url},
        "metrics": {"enabled": False},
    }
    command = [sys.executable, str(TESTS / "support" / "parking_program.py")]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [*command, json.dumps(sections), what],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
