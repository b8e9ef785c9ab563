"""One slot of the embedded storm: processes that open a store, append and leave, one by one.

Run as `python embedded_storm.py PLAN`, a JSON `Plan`. A plan says how to append: through the bus,
with the store's own worker beside it, or by a bare XADD, which leaves nothing but the locks and the
server. Every acknowledged append is written to the slot's file, as `position id`, before the next
is sent. What a process could not do, or that it hung, is written to the slot's fault file; both
are whole lines, whatever kills the process.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import redis
from support.embedded import IDLE_WORKER, connect

from eventstore.bus import EventBus
from eventstore.embedded import EmbeddedStore, Home
from eventstore.embedded.options import SupervisorOptions
from eventstore.errors import EventStoreError
from eventstore.location import Location, locate
from eventstore.settings import AppSettings
from eventstore.store import EventStore

STREAM = "storm"
PATIENCE = 60.0
HUNG_AFTER = 2 * PATIENCE
# 60 % leave in order, 20 % exit without a word, 20 % are killed.
WAYS_TO_LEAVE = ("release", "release", "release", "exit", "kill")


@dataclass(frozen=True)
class Plan:
    """What a slot does: process after process, with up to `pause` between two, until it is over.

    It is `over` once there is a file of that name.
    """

    home: str
    acked: str
    faults: str
    runs: str
    seed: str
    over: str
    pause: float
    linger: float
    through_bus: bool

    def command(self) -> list[str]:
        """Return the command that carries the plan out."""
        return [sys.executable, __file__, json.dumps(asdict(self))]


def main(plan: Plan) -> None:
    """Fork a process at a time until the storm is over."""
    rng = random.Random(plan.seed)
    over = Path(plan.over)
    run = 0
    while not over.exists():
        seed = rng.random()
        child = os.fork()
        if child == 0:
            participate(plan, f"{plan.seed}.{run}", random.Random(seed))
        if not ends_in_time(child):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            note(plan.faults, f"run {run} hung for over {HUNG_AFTER:g} s")
        run += 1
        time.sleep(rng.uniform(0.0, plan.pause))


def ends_in_time(child: int) -> bool:
    deadline = time.monotonic() + HUNG_AFTER
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def participate(plan: Plan, name: str, rng: random.Random) -> None:
    """Open the store, append, leave in one of the ways; never returns."""
    way = rng.choice(WAYS_TO_LEAVE)
    worker = () if plan.through_bus else IDLE_WORKER
    store = EmbeddedStore(
        Home(Path(plan.home)), SupervisorOptions(linger=plan.linger, worker_command=worker)
    )
    appending = publish if plan.through_bus else append
    try:
        appending(store, plan, name, rng.randrange(1, 40))
    except (EventStoreError, redis.RedisError) as error:
        note(plan.faults, f"{name}: {type(error).__name__}: {error}")
    note(plan.runs, way)
    if way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "release":
        store.release()
    os._exit(0)


def publish(store: EmbeddedStore, plan: Plan, name: str, count: int) -> None:
    """Publish through a bus, which sends again by itself what it has no answer for."""
    with EventBus(EventStore(storm_settings(plan.home), location_of(store))) as bus:
        for number in range(count):
            header = {"session_id": plan.seed, "agent_id": "storm", "type": "state"}
            done = bus.publish(header, f"{name}.{number}")
            note(plan.acked, f"{done.position} {done.ref}")


def storm_settings(home: str) -> AppSettings:
    """Return the settings of every process of a storm: patient, since servers keep dying."""
    return AppSettings(
        home=Path(home),
        mode="test",
        store={"publish_timeout": PATIENCE, "read_timeout": PATIENCE},
        metrics={"port": 0},
    )


def location_of(store: EmbeddedStore) -> Location:
    """Return the location of an embedded store that is opened with options of one's own."""
    found = locate(storm_settings(str(store.home.path)))
    return dataclasses.replace(found, reconnect=partial(store.ensure, PATIENCE), leave=no_leave)


def no_leave() -> None:
    """The way to leave is the storm's to choose."""


def append(store: EmbeddedStore, plan: Plan, name: str, count: int) -> None:
    """Append by bare XADDs."""
    client = connect(store.ensure(PATIENCE))
    for number in range(count):
        own = f"{name}.{number}"
        try:
            entry: bytes = client.execute_command("XADD", STREAM, "0-*", "id", own)
        except (redis.ConnectionError, redis.TimeoutError):
            # Stored or not: nobody was told, so nothing is claimed and nothing sent again.
            client.close()
            client = connect(store.ensure(PATIENCE))
        else:
            note(plan.acked, f"{entry.decode().partition('-')[2]} {own}")


def note(path: str, line: str) -> None:
    """Append a line in one write, which no kill can tear."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, f"{line}\n".encode())
    finally:
        os.close(fd)


if __name__ == "__main__":
    main(Plan(**json.loads(sys.argv[1])))
