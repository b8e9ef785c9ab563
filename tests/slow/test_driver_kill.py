"""Driver processes that are killed again and again: no tick is lost, none is started twice.

Slow because every takeover of a partition waits for a lease to run out.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.stores import open_store
from support.ticking import act, finish, register, stalls_of, ticks_of
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer

ROOT = Path(__file__).parents[2]
AGENTS = ("a", "b", "c")
SESSIONS = [f"s{number}" for number in range(8)]
PARTITIONS = 2
KILLS = 8


class Drivers:
    """Two driver processes, one of which can be killed and started anew."""

    def __init__(self, environment: dict[str, str], where: Path) -> None:
        self._environment = environment
        self._where = where
        self._running = [self._start() for _ in range(2)]

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "consumers", "drive", "--timeout", "600"]
        with (self._where / "drivers.log").open("ab") as log:
            return subprocess.Popen(
                command, env=self._environment, cwd=self._where, stdout=log, stderr=log
            )

    def replace(self, number: int) -> None:
        """Kill a driver with SIGKILL, and start another in its place."""
        self._running[number].kill()
        self._running[number].wait()
        self._running[number] = self._start()

    def close(self) -> list[int]:
        """Ask the drivers to end; return their exit codes."""
        for process in self._running:
            process.terminate()
        return [process.wait(60) for process in self._running]


@pytest.fixture
def environment(server: PrivateServer, namespace: str, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "REDIS_URL": server.url,
        "EVENTSTORE_STORE__NAMESPACE": namespace,
        "EVENTSTORE_STORE__PARTITIONS": str(PARTITIONS),
        "EVENTSTORE_STORE__LEASE_SECONDS": "0.2",
        "EVENTSTORE_PAYLOADS__URL": f"memory://{namespace}",
        "EVENTSTORE_LOGGING__LOG_DIR": str(tmp_path / "logs"),
        "EVENTSTORE_METRICS__ENABLED": "false",
    }


@pytest.fixture
def drivers(environment: dict[str, str], tmp_path: Path) -> Iterator[Drivers]:
    drivers = Drivers(environment, tmp_path)
    try:
        yield drivers
    finally:
        drivers.close()


def test_ticks_go_on_and_each_is_started_once(
    drivers: Drivers, server: PrivateServer, namespace: str
) -> None:
    chance = random.Random(20261122)
    with open_store(server, namespace, PARTITIONS) as store:
        for session in SESSIONS:
            register(store, session, AGENTS)
        for tick in range(1, KILLS + 1):
            drivers.replace(chance.randrange(2))
            for session in SESSIONS:
                until(partial(act, store, session, tick), what=f"tick {tick} of {session}")
        for session in SESSIONS:
            finish(store, session, AGENTS)
        for session in SESSIONS:
            started = ticks_of(store, session)
            assert started == [*range(1, len(started) + 1)]
            assert len(started) >= KILLS
            assert stalls_of(store, session) == []
    # One that has only just been started dies of the signal that it does not handle yet.
    assert set(drivers.close()) <= {0, -signal.SIGTERM}
