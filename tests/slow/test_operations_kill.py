"""What an application does, killed at every exchange with the server, is done whole or not at all.

Slow because every exchange of every operation has two kills of its own, some 400 in all.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.checker import Store, check_store
from support.consuming import running, until_caught_up
from support.repeatable import OPERATIONS, beside
from support.repeatable_program import MOMENTS, Order

from consumers.checking.log_verify import verify_log
from consumers.working.groups import known_groups
from eventstore.bus import EventBus
from eventstore.flow import Pause
from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer

    from eventstore.codec import Recorded

TESTS = Path(__file__).parents[1]
PARTITIONS = 2
KILLED = -signal.SIGKILL
# More exchanges than any operation has.
MANY = 200


class Program:
    """A program that performs operations and is killed while it does."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(TESTS / "support" / "repeatable_program.py")],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["", str(TESTS), *sys.path])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def perform(self, order: Order) -> int:
        """Have a process carry out an order; return its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    program = Program()
    try:
        yield program
    finally:
        program.close()


def sections_of(server: PrivateServer, payloads: Path, **store: Any) -> dict[str, Any]:
    """Return the sections of the settings of a store."""
    return {
        "mode": "test",
        "redis": {"url": server.url},
        "store": {"partitions": PARTITIONS, **store},
        "payloads": {"url": str(payloads)},
    }


class Site:
    """A store whose consumers go on, and one operation that is killed on it."""

    def __init__(
        self, server: PrivateServer, namespace: str, payloads: Path, program: Program, name: str
    ) -> None:
        self._sections = sections_of(server, payloads, namespace=namespace, lease_seconds=0.5)
        self._program = program
        self._name = name
        self._operation = OPERATIONS[name]
        self.settings = AppSettings(**self._sections)
        self.store = EventStore(self.settings)
        self.bus = EventBus(self.store)
        # Before the worker does: while one process makes a store, others wait for it.
        self.store.open()
        self.pauses = 0
        self._perform = self.store.runner._perform
        self.store.runner._perform = self._watched  # type: ignore[method-assign]
        self._checked = Store(server.client(), namespace, PARTITIONS, payloads)

    def close(self) -> None:
        self.bus.close()
        self._checked.client.close()

    def begin(self, session: str) -> None:
        """Make a session ready, and let the consumers come to it."""
        self._operation.prepare(self.bus, session)
        self.catch_up()

    def catch_up(self) -> None:
        """Wait until what reads are made from shows all that was appended."""
        until_caught_up(self.store, "branch")

    def kill(self, session: str, kill_at: int, moment: str) -> bool:
        """Have a process perform the operation and be killed; False if it came to its end."""
        # Opening is the same for all.
        opened = self._name != "publish"
        order = Order(self._sections, self._name, session, kill_at, moment, opened)
        code = self._program.perform(order)
        assert code in (KILLED, 0)
        return code == KILLED

    def perform(self, session: str) -> object:
        """Perform the operation here; return what the caller is told."""
        return self._operation.perform(self.bus, session)

    def log(self, session: str) -> tuple[list[Recorded], list[Recorded]]:
        """Return the events of the operation's sessions."""
        return self.store.read(session), self.store.read(beside(session))

    def problems(self) -> list[str]:
        """Return what an independent check of the whole store says, once all have caught up."""
        for group in known_groups():
            until_caught_up(self.store, group)
        return check_store(self._checked)

    def _watched(self, step: Any) -> Any:
        self.pauses += isinstance(step, Pause)
        return self._perform(step)


@pytest.fixture
def site(
    server: PrivateServer, namespace: str, tmp_path: Path, program: Program, name: str
) -> Iterator[Site]:
    site = Site(server, namespace, tmp_path / "payloads", program, name)
    try:
        with running(site.settings, known_groups()):
            yield site
    finally:
        site.close()


@pytest.mark.parametrize("name", OPERATIONS)
def test_killed_at_any_exchange_it_is_done_whole_or_not_at_all(site: Site) -> None:
    """Whoever repeats it has the answer that the one killed would have had, and adds nothing."""
    site.begin("control")
    before = shapes(site.log("control"))
    answer = site.perform("control")
    after = shapes(site.log("control"))
    assert before != after

    def check(session: str) -> bool:
        """Return whether it was done whole by the process that was killed."""
        found = site.log(session)
        for shape, *allowed in zip(shapes(found), before, after, strict=True):
            assert shape in allowed, session
        for _ in range(2):
            site.catch_up()
            assert site.perform(session) == answer, session
            now = site.log(session)
            assert shapes(now) == after, session
            assert [each[: len(then)] for then, each in zip(found, now, strict=True)] == [*found]
        return shapes(found) == after

    outcomes = []
    killed = 0
    for kill_at in range(1, MANY):
        killed = 0
        for moment in MOMENTS:
            session = f"{moment}.{kill_at}"
            site.begin(session)
            killed += site.kill(session, kill_at, moment)
            outcomes.append(check(session))
        if killed < len(MOMENTS):
            break
    # Some were killed before the append and some behind it, and no last one was left out.
    assert outcomes.count(False) > 1
    assert outcomes.count(True) > len(MOMENTS) - killed
    assert site.pauses == 0, "somebody waited for what was left behind"
    for partition in range(PARTITIONS):
        site.store.reading(partial(verify_log, site.store.parts.log, partition))
    assert site.problems() == []


def test_killed_while_it_makes_the_store_the_next_one_makes_it(
    server: PrivateServer, namespace: str, tmp_path: Path, program: Program
) -> None:
    """Only here somebody may have to wait: until the lease of the one killed has run out."""
    codes: list[int] = []
    for kill_at in range(1, MANY):
        codes = []
        for moment in MOMENTS:
            own = f"{namespace}.{moment}.{kill_at}"
            sections = sections_of(server, tmp_path / own, namespace=own, lease_seconds=0.05)
            order = Order(sections, "publish", "s", kill_at, moment, opened=False)
            codes.append(program.perform(order))
            with EventBus(EventStore(AppSettings(**sections))) as bus:
                assert OPERATIONS["publish"].perform(bus, "s") == [(0, 0)]
                assert len(bus.store.read("s")) == 1
                heads = [
                    bus.store.reading(partial(verify_log, bus.store.parts.log, partition))
                    for partition in range(PARTITIONS)
                ]
                assert sum(head.position for head in heads) == 1
        if codes != [KILLED] * len(MOMENTS):
            break
    assert kill_at > 5
    assert set(codes) <= {KILLED, 0}


def shapes(logs: tuple[list[Recorded], ...]) -> list[list[tuple[type, int, int]]]:
    """Return what events are, and where in their session and lane, of each session."""
    return [[(type(each.event), each.seq, each.index) for each in log] for log in logs]
