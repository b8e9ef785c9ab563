"""Workers that are killed, frozen and ended at random while events come in.

Slow because only many random moments reach the rare ones: between read and apply, between a
beat and a release, with two workers sure of the same slot.
"""

from __future__ import annotations

import random
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.consuming import assert_each_once, publish, running, until_caught_up
from support.stores import make_settings, open_store
from support.worker_process import WorkerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.settings import AppSettings

SECONDS = 20.0
WORKERS = 3
SESSIONS = 8


class Crowd:
    """Workers that come and go; each gets a directory of its own."""

    def __init__(self, settings: AppSettings, directory: Path, chance: random.Random) -> None:
        self._settings = settings
        self._directory = directory
        self._chance = chance
        self._count = 0
        self.live: list[WorkerProcess] = []

    def fill(self) -> None:
        """Start workers until there are enough that have not ended."""
        self.live = [worker for worker in self.live if worker.process.poll() is None]
        while len(self.live) < WORKERS:
            own = self._directory / str(self._count)
            own.mkdir()
            self._count += 1
            self.live.append(WorkerProcess(self._settings, own))

    def harm(self) -> None:
        """Do something bad to one of them: freeze it, thaw it, kill it or end it."""
        victim = self._chance.choice(self.live)
        number = self._chance.choice(
            (signal.SIGSTOP, signal.SIGCONT, signal.SIGCONT, signal.SIGKILL, signal.SIGTERM)
        )
        victim.process.send_signal(number)
        if number == signal.SIGKILL:
            victim.process.wait()

    def end(self) -> None:
        """Thaw all, so that what they hold in hand is let loose, and end them."""
        for worker in self.live:
            worker.thaw()
        for worker in self.live:
            worker.stop()

    def kill(self) -> None:
        """Leave nothing behind."""
        for worker in self.live:
            worker.process.kill()
            worker.process.wait()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2))
def test_every_event_takes_effect_once_whatever_becomes_of_the_workers(
    server: PrivateServer, namespace: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    settings = make_settings(server, namespace, 4, lease_seconds=0.3)
    refs: dict[str, list[str]] = {f"s{n}": [] for n in range(SESSIONS)}
    with ExitStack() as stack:
        store = stack.enter_context(open_store(server, namespace, 4))
        crowd = Crowd(settings, tmp_path, chance)
        stack.callback(crowd.kill)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            crowd.fill()
            session = chance.choice(list(refs))
            refs[session] += publish(store, session, chance.randint(1, 200))
            if chance.random() < 0.08:
                crowd.harm()
            time.sleep(chance.uniform(0.0, 0.1))
        crowd.end()
        with running(settings):
            until_caught_up(store)
        for session, each in refs.items():
            assert_each_once(store, session, each)
