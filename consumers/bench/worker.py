"""A worker in a process of its own, beside a benchmark that appends and reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumers.bench.server import BenchServer

_STOP_SECONDS: Final = 10.0


@contextmanager
def running_worker(
    server: BenchServer, namespace: str, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Let a worker serve every group of a store; end it after.

    `settings` are more variables of its environment. Whatever else this process is told by
    variables does not reach it.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EVENTSTORE_", "REDIS_"))
    }
    environment |= {
        "REDIS_URL": f"unix://{server.socket}",
        "EVENTSTORE_MODE": "test",
        "EVENTSTORE_METRICS__ENABLED": "false",
        "EVENTSTORE_LOGGING__LEVEL": "WARNING",
        "EVENTSTORE_LOGGING__LOG_DIR": str(server.payloads.with_name("logs")),
        "EVENTSTORE_STORE__NAMESPACE": namespace,
        "EVENTSTORE_STORE__DURABILITY": server.durability,
        "EVENTSTORE_PAYLOADS__URL": server.payloads.as_uri(),
        **(settings or {}),
    }
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "consumers", "work"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(_STOP_SECONDS)


def resident_bytes(process: subprocess.Popen[bytes]) -> int | None:
    """Return the memory that a process holds now, None where the system does not say."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return None
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None
