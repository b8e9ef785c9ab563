"""Many processes open and leave one embedded store while its processes are killed.

Slow because races need time to happen: each variant runs for the seconds in its name at least.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.embedded import Sandbox, connect, server_pids
from support.embedded_storm import STREAM, WAYS_TO_LEAVE, Plan, location_of, storm_settings

from eventstore.bus import EventBus
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[1]
SEED = 20260131
# Bounds a broken run; a storm ends as soon as it was one.
LONGEST = 600.0


@dataclass(frozen=True)
class Storm:
    """What a variant does; `kills` names whose turn it is, in a random order, to be killed."""

    slots: int
    seconds: float
    pause: float
    linger: float
    kills: tuple[str, ...] = ()
    through_bus: bool = False


VARIANTS = [
    pytest.param(
        Storm(slots=20, seconds=60, pause=0.2, linger=60, kills=("server",), through_bus=True),
        id="20 processes that publish, the server killed, 60 s",
    ),
    pytest.param(
        Storm(slots=20, seconds=20, pause=0.2, linger=60, kills=("server",)),
        id="20 processes, the server killed, 20 s",
    ),
    pytest.param(
        Storm(slots=8, seconds=30, pause=0.3, linger=60, kills=("server", "server", "supervisor")),
        id="8 processes, the supervisor killed as well, 30 s",
    ),
    pytest.param(Storm(slots=20, seconds=20, pause=0.2, linger=60), id="20 processes, calm, 20 s"),
    pytest.param(
        Storm(slots=3, seconds=20, pause=6.0, linger=0.05),
        id="3 processes, the store ends as soon as it is empty, 20 s",
    ),
]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@dataclass
class Watch:
    """A thread that looks at the servers of a home all the time, through /proc."""

    data: Path
    seen: set[int] = field(default_factory=set)
    together: list[list[int]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.003):
            pids = server_pids(self.data)
            self.seen.update(pids)
            if len(pids) > 1:
                self.together.append(pids)


def rage(
    sandbox: Sandbox,
    directory: Path,
    storm: Storm,
    watch: Watch,
    slots: list[subprocess.Popen[bytes]],
) -> None:
    """Let the storm rage for its seconds, and on until it was one, killing about every 1.5 s.

    Between two kills something is appended, however long it takes to be up again.
    """
    rng = random.Random(SEED)
    kills = written = 0
    start = time.monotonic()
    while time.monotonic() < start + storm.seconds or not was_one(directory, storm, watch, kills):
        assert time.monotonic() < start + LONGEST, f"{kills} kills, servers {watch.seen}"
        assert all(slot.poll() is None for slot in slots)
        time.sleep(rng.uniform(1.0, 2.0))
        if not storm.kills or _size(directory) == written:
            continue
        written = _size(directory)
        if rng.choice(storm.kills) == "server":
            victims = sandbox.server_pids()
        else:
            victims = [pid for pid in [sandbox.status().supervisor.pid] if pid is not None]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
            kills += 1


def was_one(directory: Path, storm: Storm, watch: Watch, kills: int) -> bool:
    """Return whether every way of leaving was taken, and servers died where they were to."""
    if set(lines(directory, "runs")) != set(WAYS_TO_LEAVE):
        return False
    if storm.kills:
        return kills > 3 and len(watch.seen) > 2
    return storm.linger > storm.seconds or len(watch.seen) > 1


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("*.acked"))


def lines(directory: Path, kind: str) -> list[str]:
    return [line for path in directory.glob(f"*.{kind}") for line in path.read_text().splitlines()]


def entries_of(sandbox: Sandbox) -> dict[str, str]:
    """Return what bare XADDs left: entry id -> the id that the process gave it."""
    with sandbox.store() as store, connect(store.ensure()) as client:
        return {entry.decode(): fields[b"id"].decode() for entry, fields in client.xrange(STREAM)}


def events_of(sandbox: Sandbox) -> dict[str, str]:
    """Return the log as entry id -> ref, once the worker has shown every event of it."""
    embedded = sandbox.store(worker=())
    config = storm_settings(str(sandbox.home.path))
    with EventStore(config, location_of(embedded)) as store:
        for head in store.head():
            store.parts.log.acknowledge(head.partition, head.position, head.chain)
        events = store.read_all(0)
        with EventBus(store) as bus:
            shown = [
                header["ref"]
                for session in {each.event.session_id for each in events}
                for header, _ in bus.search(session, limit=len(events))
            ]
    embedded.release()
    assert sorted(shown) == sorted(each.event.ref for each in events)
    return {f"0-{each.position}": each.event.ref for each in events}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("storm", VARIANTS)
def test_nobody_hangs_nothing_is_lost_and_two_servers_never_live(
    sandbox: Sandbox, tmp_path: Path, storm: Storm
) -> None:
    over = tmp_path / "over"
    plans = [
        Plan(
            home=str(sandbox.home.path),
            acked=str(tmp_path / f"{slot}.acked"),
            faults=str(tmp_path / f"{slot}.faults"),
            runs=str(tmp_path / f"{slot}.runs"),
            seed=f"{SEED}.{slot}",
            over=str(over),
            pause=storm.pause,
            linger=storm.linger,
            through_bus=storm.through_bus,
        )
        for slot in range(storm.slots)
    ]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with Watch(sandbox.home.data) as watch:
        slots = [subprocess.Popen(plan.command(), env=environment) for plan in plans]
        try:
            rage(sandbox, tmp_path, storm, watch, slots)
        finally:
            over.touch()
        assert [slot.wait() for slot in slots] == [0] * storm.slots

    assert lines(tmp_path, "faults") == []
    assert watch.together == []
    acked = [line.split() for line in lines(tmp_path, "acked")]
    stored = events_of(sandbox) if storm.through_bus else entries_of(sandbox)
    assert list(stored) == [f"0-{position}" for position in range(1, len(stored) + 1)]
    assert len(set(stored.values())) == len(stored)
    assert [line for line in acked if stored.get(f"0-{line[0]}") != line[1]] == []
    assert len({position for position, _ in acked}) == len(acked)

    assert len(acked) > len(lines(tmp_path, "runs"))
    if not storm.kills and storm.linger > storm.seconds:
        assert len(watch.seen) == 1
