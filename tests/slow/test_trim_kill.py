"""A trim killed at any step loses nothing, and the next one goes on from there.

Slow because a trim is killed, and the whole store checked, many times over.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.checker import Store, check_store
from support.consuming import publish, running
from support.server import short_dir
from support.stories import tell
from support.trim_program import Order

from consumers.checking.catching_up import wait_until_caught_up
from consumers.working.groups import known_groups
from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer

TESTS = Path(__file__).parents[1]
PARTITIONS = 2
# Each in a partition of its own.
SESSIONS = ("a", "d")
KILLED = -signal.SIGKILL

pytestmark = pytest.mark.timeout(900)


class Site:
    """A store with live consumers, and a program that trims it and is killed."""

    def __init__(self, server: PrivateServer, namespace: str, root: Path) -> None:
        self._checked = Store(server.client(), namespace, PARTITIONS, root)
        sections = {
            "mode": "test",
            "redis": {"url": server.url},
            "store": {"namespace": namespace, "partitions": PARTITIONS, "read_timeout": 60.0},
            "payloads": {"url": str(root)},
        }
        self.settings = AppSettings(**sections)
        self.store = EventStore(self.settings)
        self.log: dict[str, list[str]] = {session: [] for session in SESSIONS}
        self._program = subprocess.Popen(
            [sys.executable, str(TESTS / "support" / "trim_program.py"), json.dumps(sections)],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._program.communicate(timeout=60)
        assert self._program.returncode == 0
        self.store.close()
        self._checked.client.close()

    def trim(self, kill_at: int = 0, keep: int = 2, step: int = 3) -> int:
        """Have a process trim; return its exit code."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps(Order(keep, kill_at, step)) + "\n")
        self._program.stdin.flush()
        return int(self._program.stdout.readline())

    def begin(self) -> None:
        """Append all that a read model tells of, and let the groups consume it."""
        for session in SESSIONS:
            tell(self.store, session)
        self.get_on()
        self.log = {s: [each.event.ref for each in self.store.read(s)] for s in SESSIONS}

    def get_on(self) -> None:
        """Append enough for two steps in a partition, and let the groups consume it."""
        for session in SESSIONS:
            self.log[session] += publish(self.store, session, 4)
        wait_until_caught_up(self.store, known_groups())

    def check(self, when: str) -> None:
        """Hold the store against its log, and everything read against what was appended."""
        assert check_store(self._checked) == [], when
        # A client of its own: nothing of what it reads is remembered.
        with EventStore(self.settings) as store:
            for session, refs in self.log.items():
                assert [each.event.ref for each in store.read(session)] == refs, when
                found = [store.get(ref) for ref in (refs[0], refs[len(refs) // 2], refs[-1])]
                assert [each.seq for each in found] == [0, len(refs) // 2, len(refs) - 1], when

    def kept(self) -> list[int]:
        """Return how many events the server holds, by partition."""
        keys = self.store.parts.log.partitions
        return [int(self._checked.client.xlen(each.stream)) for each in keys]


@pytest.fixture
def site(server: PrivateServer, namespace: str) -> Iterator[Site]:
    site = Site(server, namespace, short_dir())
    try:
        with running(site.settings, known_groups()):
            site.begin()
            yield site
    finally:
        site.close()


def test_killed_again_and_again_it_gets_on_and_loses_nothing(site: Site) -> None:
    """Each trim is left where it was killed, and events come meanwhile."""
    kills = 0
    for kill_at in range(7, 90, 3):
        kills += site.trim(kill_at, step=1 + kill_at % 4) == KILLED
        site.get_on()
        site.check(f"killed at {kill_at}")
    assert kills > 10
    assert site.trim() == 0
    assert site.kept() == [2, 2]
    site.check("at the end")
