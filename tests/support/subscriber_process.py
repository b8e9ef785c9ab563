"""Members of subscriber groups in processes of their own, to be killed, frozen and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from support.subscriber_program import Order
from support.wait import until

if TYPE_CHECKING:
    from eventstore.settings import AppSettings

TESTS = Path(__file__).parents[1]


class Nursery:
    """Starts member processes, and ends those that are left; safe to use from many threads."""

    def __init__(
        self, settings: AppSettings, log: Path, program: str = "subscriber_program.py"
    ) -> None:
        url = settings.redis.url
        assert url is not None
        sections = {
            "redis": {"url": url.get_secret_value()},
            "store": settings.store.model_dump(),
            "consuming": settings.consuming.model_dump(),
            "payloads": {"url": settings.payloads.url},
        }
        command = [sys.executable, str(TESTS / "support" / program)]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [*command, json.dumps(sections)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONPATH": str(TESTS)},
            )
        self._asking = threading.Lock()
        self._children: list[int] = []

    def start(self, group: str, file: Path, every: int = 1) -> int:
        """Start a member and return its process id."""
        with self._asking:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(Order(group, str(file), every)) + "\n")
            self._process.stdin.flush()
            child = int(self._process.stdout.readline())
            self._children.append(child)
            return child

    def end(self, child: int, number: signal.Signals) -> None:
        """Send a member a signal that ends it, and wait until it has."""
        os.kill(child, number)
        until(lambda: not is_alive(child), what=f"the end of {child}")

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.communicate()


def is_alive(child: int) -> bool:
    """Return whether a member's process is there; the nursery leaves none of them as a zombie."""
    with suppress(ProcessLookupError):
        os.kill(child, 0)
        return True
    return False
