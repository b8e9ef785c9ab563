"""Eight processes on one session: their log is one that a single process might have written.

Slow because only many collisions reach the rare ones. Each event is replayed at its place on the
plain model, so one that was decided by what did not hold any more is found; then the session
that all clients read is compared with the model.
"""

from __future__ import annotations

import json
import multiprocessing
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.operations_clients import configured, operating
from support.operations_replay import payload_of, replay
from support.operations_views import VIEWS, compare
from support.stores import make_settings

from eventstore import write_override
from eventstore.bus import EventBus
from eventstore.errors import NotFound, Refused
from eventstore.refs import generate_ref
from eventstore.sessions import Session
from eventstore.store import EventStore

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.codec import Recorded
    from eventstore.settings import AppSettings

PROCESSES = 8
ROUNDS = 60
AGENTS = ("a", "b", "c")


class Player:
    """One process: does what a random number says, and notes what it was told."""

    def __init__(self, bus: EventBus, seed: int) -> None:
        self.bus = bus
        self.chance = random.Random(seed)
        self.session = Session(bus, "s")
        self.told: list[tuple[str, int, int]] = []
        self.done: Counter[str] = Counter()

    def play(self) -> None:
        """Do one thing; one that is refused has done nothing, and is forgotten."""
        move = self.chance.choice(self.MOVES)
        try:
            move(self, self.chance.choice(AGENTS))
            self.told += [(row.ref, row.seq, row.step_idx) for row in self.session.save()]
            self.done[move.__name__] += 1
        except (Refused, NotFound):
            self.session.discard()
            self.done["refused"] += 1

    def push(self, agent: str) -> None:
        refs = [generate_ref() for _ in range(self.chance.randint(1, 3))]
        stack = self.session.stack_for(agent)
        stack.push(*(({"ref": ref}, payload_of(ref)) for ref in refs))

    def pop(self, agent: str) -> None:
        self.session.stack_for(agent).pop()

    def replace(self, agent: str) -> None:
        self.pop(agent)
        self.push(agent)

    def act(self, agent: str) -> None:
        """Do an agent's part of the tick, and begin the next once it is over."""
        if self.session.barrier().is_over:
            self.session.start_tick()
        self.push(agent)
        self.session.ack(agent, finished=self.chance.random() < 0.1)

    def join(self, agent: str) -> None:
        self.session.register_agent(agent)

    def leave(self, agent: str) -> None:
        if self.chance.random() < 0.3:
            self.session.unregister_agent(agent)

    def override(self, agent: str) -> None:
        patch = {"model": str(self.chance.random()), "lock": self.chance.random() < 0.3}
        write_override(self.bus, agent, "s", patch)

    def fork(self, agent: str) -> None:
        name = f"b{self.chance.randint(0, 4)}"
        self.bus.fork("s", self.chance.randint(0, 40), name, agent_id=agent)

    def rewind(self, agent: str) -> None:
        branch = self.chance.choice(["main", "b0", "b1"])
        self.bus.rewind("s", self.chance.randint(0, 80), branch, agent_id=agent)

    def check_out(self, agent: str) -> None:
        branch = self.chance.choice(["main", "main", "b0", "b1", "b2"])
        self.session.stack_for(agent).checkout(branch)

    def give_up(self, agent: str) -> None:
        if self.chance.random() < 0.3:
            self.session.give_up_tick(self.session.tick)

    def open_or_close(self, agent: str) -> None:
        if self.session.barrier().is_open and self.chance.random() < 0.2:
            self.session.close()
        self.session.open()

    MOVES = (
        push, push, pop, replace, act, act, join, leave, override, fork, rewind, check_out,
        give_up, open_or_close,
    )  # fmt: skip


def _play(settings: AppSettings, seed: int, ready: Any, told: Path) -> None:
    with EventBus(EventStore(settings)) as bus:
        player = Player(bus, seed)
        bus.store.open()
        ready.wait(60)
        for _ in range(ROUNDS):
            player.play()
        told.write_text(json.dumps([player.told, player.done]))


@pytest.mark.timeout(300)
def test_processes_at_once_leave_what_one_after_the_other_would(
    server: PrivateServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(server, namespace, read_timeout=60.0)
    _run(settings, tmp_path)
    with configured(AGENTS[0], tmp_path, monkeypatch), operating(settings) as clients:
        log = clients[0].store.read("s")
        model = replay(log)
        _check_told(log, tmp_path)
        for client in clients:
            client.look()
            for view in range(VIEWS):
                compare(client, "s", model, view)


def _check_told(log: list[Recorded], directory: Path) -> None:
    """What each process was told is in the log, and they came to do nearly all sorts of things."""
    placed = {each.event.ref: (each.seq, each.index) for each in log}
    done: Counter[str] = Counter()
    for number in range(PROCESSES):
        told, counts = json.loads((directory / f"{number}.told").read_text())
        done.update(counts)
        for ref, seq, index in told:
            assert placed[ref] == (seq, index)
    assert len(done) > 9, done


def _run(settings: AppSettings, directory: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(PROCESSES)
    children = [
        context.Process(target=_play, args=(settings, seed, ready, directory / f"{seed}.told"))
        for seed in range(PROCESSES)
    ]
    with EventBus(EventStore(settings)) as bus:
        session = Session(bus, "s")
        for agent in AGENTS:
            session.register_agent(agent)
        session.save()
    for child in children:
        child.start()
    for child in children:
        child.join(240)
    assert [child.exitcode for child in children] == [0] * PROCESSES
