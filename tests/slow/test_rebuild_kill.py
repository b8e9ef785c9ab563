"""A rebuild killed at any step is completed by the next, while consumers and producers go on.

Slow because every exchange of a rebuild with the server has a kill -9 of its own, some 150 in all.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.checker import Store, check_store
from support.consuming import publish, running, until_caught_up
from support.rebuild_program import Order
from support.stories import tell

from consumers.working.groups import known_groups
from eventstore.bus import EventBus
from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import PrivateServer

TESTS = Path(__file__).parents[1]
PARTITIONS = 2
# Each in a partition of its own.
SESSIONS = ("a", "d")
KILLED = -signal.SIGKILL
# More exchanges than a rebuild of these stores has. It looks at every key of the server, a thousand
# an exchange, so the server is one that no other test has keys on.
MANY = 200

pytestmark = pytest.mark.timeout(900)


class Site:
    """A store with live consumers, and a program that rebuilds and is killed."""

    def __init__(self, server: PrivateServer, namespace: str, payloads: Path) -> None:
        self._server = server
        self.checked = Store(server.client(), namespace, PARTITIONS, payloads)
        sections = {
            "mode": "test",
            "redis": {"url": server.url},
            "store": {
                "namespace": namespace,
                "partitions": PARTITIONS,
                "lease_seconds": 0.1,
                "read_timeout": 60.0,
            },
            "payloads": {"url": str(payloads)},
        }
        self.settings = AppSettings(**sections)
        self.store = EventStore(self.settings)
        command = [sys.executable, str(TESTS / "support" / "rebuild_program.py")]
        self._program = subprocess.Popen(
            [*command, json.dumps(sections)],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._program.communicate(timeout=60)
        assert self._program.returncode == 0
        self.store.close()
        self.checked.client.close()

    def perform(self, action: str, name: str, kill_at: int = 0, rounds: int = 20) -> int:
        """Have a process rebuild or give up; return its exit code."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        order = Order(action, name, kill_at, rounds)
        self._program.stdin.write(json.dumps(order) + "\n")
        self._program.stdin.flush()
        return int(self._program.stdout.readline())

    def begin(self) -> None:
        """Append all that a read model tells of, and let the live groups consume it."""
        for session in SESSIONS:
            tell(self.store, session)
        self.get_on()

    def get_on(self) -> None:
        """Append a little, and let the live groups consume it."""
        for session in SESSIONS:
            publish(self.store, session, 2)
        for group in known_groups():
            until_caught_up(self.store, group)

    def problems(self) -> list[str]:
        """Return what the independent check of the whole store says."""
        return check_store(self.checked)


@pytest.fixture
def site(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> Iterator[Site]:
    site = Site(private_server(), namespace, tmp_path / "p")
    try:
        with running(site.settings, known_groups()):
            site.begin()
            yield site
    finally:
        site.close()


@pytest.mark.parametrize(("name", "rounds"), [("branch", 20), ("timeline", 0)])
def test_killed_before_any_exchange_it_is_completed(site: Site, name: str, rounds: int) -> None:
    """With no rounds the live group's lease is seized, and the kill leaves it so."""
    kills = 0
    for kill_at in range(1, MANY):
        code = site.perform("rebuild", name, kill_at, rounds)
        if code == 0:
            break
        assert code == KILLED
        kills += 1
        site.get_on()
        assert site.perform("rebuild", name, rounds=rounds) == 0, f"after kill {kill_at}"
        assert site.problems() == [], f"after kill {kill_at}"
    assert 40 < kills < MANY - 1
    assert site.problems() == []


def test_killed_again_and_again_it_is_completed_in_the_end(site: Site) -> None:
    """How often is fixed: a rebuild that is always killed early need not ever end."""
    chance = random.Random(20260301)
    kills = 0
    for _ in range(6):
        for _ in range(chance.randint(1, 4)):
            kills += site.perform("rebuild", "branch", chance.randint(1, 60)) == KILLED
            site.get_on()
        assert site.perform("rebuild", "branch") == 0
        assert site.problems() == []
    assert kills > 5


def test_giving_up_killed_before_any_exchange_is_completed_or_forgotten(site: Site) -> None:
    kills = 0
    for kill_at in range(1, MANY):
        # Most of the way: something is built in both partitions, or switched in one.
        assert site.perform("rebuild", "branch", kill_at=40) == KILLED
        site.get_on()
        code = site.perform("abort", "branch", kill_at)
        site.get_on()
        if kill_at % 2:
            assert site.perform("abort", "branch") == 0
        assert site.perform("rebuild", "branch") == 0, f"after kill {kill_at}"
        assert site.problems() == [], f"after kill {kill_at}"
        if code == 0:
            break
        assert code == KILLED
        kills += 1
    assert 5 < kills < MANY - 1


def test_readers_are_answered_the_same_throughout(site: Site) -> None:
    bus = EventBus(site.store)
    expected = [header["ref"] for header, _ in bus.history("d", "b:1")]
    assert expected
    for kill_at in range(5, 70, 5):
        site.perform("rebuild", "branch", kill_at)
        assert [header["ref"] for header, _ in bus.history("d", "b:1")] == expected
    assert site.perform("rebuild", "branch") == 0
    assert [header["ref"] for header, _ in bus.history("d", "b:1")] == expected
