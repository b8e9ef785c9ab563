"""`effect_program` as a test drives it: orders in, what the processes wrote out."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.program import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventstore.settings import AppSettings

PROGRAM = Path(__file__).with_name("effect_program.py")


class Said(NamedTuple):
    """A line that a process wrote: what happened, under which key, in which process."""

    what: str
    key: str
    pid: int
    about: str


class Makers:
    """The program, and the file that its children write to."""

    def __init__(self, process: subprocess.Popen[str], path: Path) -> None:
        self._process = process
        self._path = path

    def start(self, orders: list[list[str]]) -> list[int]:
        """Fork a child for each order; return their process ids."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        found: list[int] = json.loads(self._line())
        return found

    def wait(self) -> list[Said]:
        """Wait until all children have ended; return all that was ever written."""
        assert self._line() == "done"
        return self.said()

    def said(self) -> list[Said]:
        """Return what was written so far."""
        if not self._path.exists():
            return []
        lines = (line.split() for line in self._path.read_text().splitlines())
        return [Said(what, key, int(pid), " ".join(more)) for what, key, pid, *more in lines]

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def makers(settings: AppSettings, path: Path) -> Iterator[Makers]:
    """Run the program."""
    url = settings.redis.url
    assert url is not None
    sections = {
        "redis": {"url": url.get_secret_value()},
        "store": settings.store.model_dump(),
        "payloads": {"url": settings.payloads.url},
    }
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), json.dumps(sections), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    try:
        yield Makers(process, path)
    finally:
        process.communicate(timeout=60)
