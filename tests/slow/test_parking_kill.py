"""Processes that park and that replay are killed at any moment: each event once, none in between.

Slow because each kill needs a process of its own, and whoever comes after it waits until the lease
of the one that was killed has stood still.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from support.consuming import at, until_caught_up
from support.parking import (
    append_picky,
    assert_all_but_the_poison,
    left_out,
    missing,
    parked_of,
    trying,
)
from support.parking_process import program
from support.parking_program import counts_key
from support.stores import make_settings, open_store
from support.wait import until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from eventstore.store import EventStore

KILLS: Final = 6
EVENTS: Final = 800
POISON: Final = tuple(range(3, EVENTS, 4))


@pytest.mark.timeout(900)
def test_each_event_is_parked_and_taken_back_once_whoever_is_killed(
    server: PrivateServer, namespace: str, tmp_path: Path, redis_client: redis.Redis
) -> None:
    settings = trying(make_settings(server, namespace, lease_seconds=0.3), 2)
    chance, log = random.Random(3), tmp_path / "log"
    with open_store(server, namespace, lease_seconds=0.3) as store:
        refs = append_picky(store, "s", EVENTS, POISON)
        [keys] = store.parts.log.partitions
        for _ in range(KILLS):
            goal = len(left_out(store, "counting")) + chance.randint(1, 2 * len(POISON) // KILLS)
            with program(settings, "work", log):
                until(partial(_has_left_out, store, min(goal, len(POISON))))
        with program(settings, "work", log) as worker:
            until_caught_up(store)
            worker.terminate()
            assert worker.wait(60) == 0
        assert_all_but_the_poison(store, "s", refs)
        parked = parked_of(store, "counting")
        assert [item.position for item in parked] == [n + 1 for n in POISON]
        assert missing(store, "s") == {"counting": len(POISON)}

        before = at(store)
        counts: Any = {}
        for _ in range(KILLS):
            goal = len(counts) + chance.randint(1, 2 * len(POISON) // KILLS)
            with program(settings, "replay", log) as replay:
                until(partial(_has_counted, redis_client, counts_key(keys), goal, replay))
            counts = redis_client.hgetall(counts_key(keys))
            # What was counted is parked no more, and what is parked was not counted.
            still = {item.ref.encode() for item in parked_of(store, "counting")}
            assert len(still) + len(counts) == len(POISON)
            assert still.isdisjoint(counts)
        with program(settings, "replay", log) as replay:
            assert replay.wait(60) == 0
        counts = redis_client.hgetall(counts_key(keys))
        assert counts == {item.ref.encode(): b"1" for item in parked}
        assert (left_out(store, "counting"), missing(store, "s")) == ([], {})
        assert at(store) == before
        assert redis_client.hkeys(keys.checkpoints) == [b"counting"]


def _has_left_out(store: EventStore, count: int) -> bool:
    return len(left_out(store, "counting")) >= count


def _has_counted(
    client: redis.Redis, key: str, count: int, replay: subprocess.Popen[bytes]
) -> bool:
    found: Any = client.hlen(key)
    return found >= count or replay.poll() is not None
