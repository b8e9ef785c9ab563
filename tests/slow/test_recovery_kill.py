"""Opening, restoring and repairing, killed at every step, are completed by whoever comes next.

Slow because every step of each of them has a kill -9 of its own, a hundred or so in all.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.artifacts import artifacts
from support.consuming import publish
from support.losing import SESSIONS, Site, hidden
from support.recovery_program import Order

from eventstore.errors import TwoHistories, WrongStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import PrivateServer

    from eventstore.codec import Recorded

TESTS = Path(__file__).parents[1]
KILLED = -signal.SIGKILL
# More steps than any of them has.
MANY = 500

pytestmark = pytest.mark.timeout(900)


class Killed:
    """A store, and a program that opens, restores or repairs it and is killed."""

    def __init__(self, site: Site) -> None:
        self.site = site
        section = site.settings.store
        sections = {
            "mode": "test",
            "redis": {"url": site.server.url},
            "store": section.model_dump(include={"namespace", "partitions", "lease_seconds"}),
            "payloads": {"url": str(site.root)},
        }
        self._program = subprocess.Popen(
            [
                *(sys.executable, str(TESTS / "support" / "recovery_program.py")),
                json.dumps(sections),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["", str(TESTS), *sys.path])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._program.communicate(timeout=60)
        assert self._program.returncode == 0

    def perform(self, action: str, kill_at: int = 0) -> int:
        """Have a process do something; return its exit code."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps(Order(action, kill_at)) + "\n")
        self._program.stdin.flush()
        return int(self._program.stdout.readline())

    def at_every_step(
        self, action: str, lose: Callable[[], None], complete: Callable[[], None]
    ) -> int:
        """Kill an action at each of its steps, completing it each time; return how many kills."""
        for kill_at in range(1, MANY):
            lose()
            code = self.perform(action, kill_at)
            complete()
            if code == 0:
                return kill_at - 1
            assert code == KILLED
        raise AssertionError(f"{action} has more than {MANY} steps")


@pytest.fixture
def killed(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> Iterator[Killed]:
    site = Site(private_server, namespace, tmp_path, lease_seconds=0.05)
    site.tell(*SESSIONS)
    site.consume()
    program = Killed(site)
    try:
        yield program
    finally:
        program.close()


def test_an_open_that_puts_back_a_lost_tail(killed: Killed) -> None:
    site = killed.site
    site.mark()
    site.tell("a:2", "d:2")
    with site.open() as store:
        # More than one batch.
        publish(store, "b", 700)
    site.consume("journal", "payloads")
    before = site.log()
    kills = killed.at_every_step("open", site.lose, lambda: check(site, before))
    assert kills > 15
    site.consume()
    assert site.problems() == []


def test_a_restore(killed: Killed) -> None:
    """Completed in turns by running it again and by an open; one that had not begun is begun."""
    site = killed.site
    before, turns = site.log(), iter(range(MANY))

    def complete() -> None:
        if next(turns) % 2:
            # The one that came to its end refuses to be run again.
            assert killed.perform("restore") in (0, 1)
        try:
            site.open().close()
        except WrongStore:
            assert killed.perform("restore") == 0
        check(site, before)

    kills = killed.at_every_step("restore", site.lose_all, complete)
    assert kills > 15
    site.consume()
    assert site.problems() == []


@pytest.mark.parametrize("keep", ["stream", "journal"])
def test_a_repair(killed: Killed, keep: str) -> None:
    site = killed.site
    site.mark()
    with site.open() as store:
        store.append("a", artifacts("a", 4))
        publish(store, "b", 30)
    site.consume("journal", "payloads")
    site.lose()
    with hidden(site.root), site.open() as store:
        store.append("a", artifacts("a", 3))
        logged = site.log()
    aside = site.root.with_name("copy")
    shutil.copytree(site.root, aside)
    site.mark()
    assert killed.perform(keep) == 0
    expected = site.log()
    assert (expected == logged) == (keep == "stream")

    def lose() -> None:
        site.lose()
        shutil.rmtree(site.root)
        shutil.copytree(aside, site.root)

    def complete() -> None:
        try:
            site.open().close()
        except TwoHistories:
            assert killed.perform(keep) == 0
        assert site.log() == expected

    kills = killed.at_every_step(keep, lose, complete)
    assert kills > 15
    site.consume()


def check(site: Site, before: list[Recorded]) -> None:
    """Fail unless the log is what it was, and takes appends."""
    assert site.log() == before
