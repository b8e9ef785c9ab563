"""Workers in processes of their own, to be frozen, killed and ended like those of a user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventstore.settings import AppSettings

TESTS = Path(__file__).parents[1]
STOP_TIMEOUT = 60.0


class WorkerProcess:
    """A process that consumes the counting group; `hold` makes it keep a batch in hand."""

    def __init__(self, settings: AppSettings, directory: Path) -> None:
        self._hold = directory / "hold"
        self._held = directory / "hold.held"
        url = settings.redis.url
        assert url is not None
        sections = {
            "redis": {"url": url.get_secret_value()},
            "store": settings.store.model_dump(),
            "payloads": {"url": settings.payloads.url},
            "metrics": {"enabled": False},
        }
        program = TESTS / "support" / "worker_program.py"
        command = [sys.executable, str(program), json.dumps(sections), str(self._hold)]
        self.log = directory / "worker.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stderr=log, env={**os.environ, "PYTHONPATH": str(TESTS)}
            )

    def hold(self, how: str = "") -> None:
        """Keep the next batch in hand: folded, not applied; how `thread`, in a hanging thread."""
        self._held.unlink(missing_ok=True)
        self._hold.write_text(how)

    def until_holding(self) -> None:
        """Wait until a batch is in hand."""
        until(self._held.exists, what="a batch in hand")

    def let_go(self) -> None:
        """Apply what is in hand."""
        self._hold.unlink()

    def freeze(self) -> None:
        """Stop the process where it is."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """End the process in order and return its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_TIMEOUT)


@contextmanager
def worker_process(settings: AppSettings, directory: Path) -> Iterator[WorkerProcess]:
    """Run a worker process; it is killed at the end if it still lives."""
    worker = WorkerProcess(settings, directory)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait(STOP_TIMEOUT)
