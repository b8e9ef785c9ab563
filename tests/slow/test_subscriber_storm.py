"""Members of subscriber groups that join, leave and are killed while events come in.

Slow because the claim is about many rebalances: 200, each of which ends only when every partition
has an owner again, which after a kill takes two lease times.
"""

from __future__ import annotations

import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest
from support.consuming import publish
from support.order_book import judge, read_book
from support.stores import make_settings, open_store
from support.subscriber_process import Nursery, is_alive
from support.subscribing import positions
from support.wait import until

from eventstore.consuming.lease import owner_of
from eventstore.flow import Call, batch

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.store import EventStore

GROUPS: Final = 5
REBALANCES: Final = 200
PARTITIONS: Final = 4
MOST: Final = 4
SESSIONS: Final = [f"s{number}" for number in range(12)]
# Events that the slowest group may be behind before more are appended, however fast they come.
MOST_BEHIND: Final = 400


class Crowd:
    """The members of one group, seeded; each change waits until the partitions are shared anew."""

    def __init__(self, store: EventStore, nursery: Nursery, directory: Path, seed: int) -> None:
        self.group = f"crowd{seed}"
        self.book = directory / f"{self.group}.book"
        self.killed: set[int] = set()
        self.rebalances = 0
        self._store = store
        self._nursery = nursery
        self._chance = random.Random(seed)
        self._members: list[int] = []

    def storm(self, rebalances: int) -> None:
        """Change the members at random, so many times, and end them all."""
        self._join()
        self._until_shared()
        while self.rebalances < rebalances:
            self._change()
            self._until_shared()
            self.rebalances += 1

    def until_at_head(self) -> None:
        """Wait until the group has consumed all there is, and end its members."""
        heads = [head.position for head in self._store.head()]
        until(lambda: positions(self._store, self.group) == heads, what=f"{self.group} at head")
        for member in self._members:
            self._nursery.end(member, signal.SIGTERM)

    def _change(self) -> None:
        count = len(self._members)
        if count == 1 or (count < MOST and self._chance.random() < 0.5):
            self._join()
            return
        member = self._members.pop(self._chance.randrange(count))
        if self._chance.random() < 0.5:
            self.killed.add(member)
            self._nursery.end(member, signal.SIGKILL)
        else:
            self._nursery.end(member, signal.SIGTERM)

    def _join(self) -> None:
        self._members.append(self._nursery.start(self.group, self.book))

    def _until_shared(self) -> None:
        until(self._is_shared, what=f"{self.group}: each partition with one of {self._members}")

    def _is_shared(self) -> bool:
        """Return whether every partition has a member of now as owner, as evenly as can be."""
        assert all(is_alive(member) for member in self._members)
        steps = [
            Call("GET", (keys.lease(self.group),), (), _owner)
            for keys in self._store.parts.log.partitions
        ]
        owners = self._store.reading(lambda: batch(steps))
        shares = [owners.count(member) for member in self._members]
        return sum(shares) == PARTITIONS and max(shares) - min(shares) <= 1


def _owner(reply: bytes | None) -> int:
    owner = owner_of("" if reply is None else reply.decode())
    return 0 if owner is None else int(owner.rpartition("/")[2])


@pytest.mark.timeout(900)
def test_order_holds_through_two_hundred_rebalances(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    settings = make_settings(server, namespace, PARTITIONS, lease_seconds=0.5)
    is_over = threading.Event()
    crowds: list[Crowd] = []

    def produce() -> None:
        chance = random.Random(0)
        with open_store(server, namespace, PARTITIONS) as own:
            while not is_over.wait(0.02):
                slowest = min(sum(positions(own, crowd.group)) for crowd in crowds)
                if sum(head.position for head in own.head()) - slowest < MOST_BEHIND:
                    publish(own, chance.choice(SESSIONS), chance.randint(1, 4))

    with (
        open_store(server, namespace, PARTITIONS) as store,
        Nursery(settings, tmp_path / "members.log") as nursery,
        ThreadPoolExecutor(GROUPS + 1) as pool,
    ):
        crowds += [Crowd(store, nursery, tmp_path, seed) for seed in range(GROUPS)]
        producing = pool.submit(produce)
        try:
            list(pool.map(lambda crowd: crowd.storm(REBALANCES // GROUPS), crowds))
        finally:
            is_over.set()
        producing.result()
        list(pool.map(Crowd.until_at_head, crowds))
        heads = {head.partition: head.position for head in store.head()}
        assert sum(crowd.rebalances for crowd in crowds) == REBALANCES
        assert min(heads.values()) > 0
        for crowd in crowds:
            verdict = judge(read_book(crowd.book), crowd.killed)
            assert verdict.faults == []
            assert verdict.given == heads
            assert crowd.killed
