"""`kill -9` of producers, workers and the server at durability fsync costs nothing acknowledged.

Slow because it kills 40 real processes, one after another, each while it is at work.
"""

from __future__ import annotations

from collections import Counter

import pytest
from support.checker import check_store
from support.server import short_dir
from support.storm import VICTIMS, Storm
from support.wait import until

ROUNDS = 5


def epoch_of(storm: Storm) -> int:
    """Return the epoch of the first partition, 0 without one."""
    with storm.server.client() as client:
        return int(client.hget("{storm:0}:meta", "epoch") or 0)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("partitions", "seed"), [(1, 20260131), (4, 20260201)])
def test_nothing_acknowledged_is_lost_doubled_or_moved(partitions: int, seed: int) -> None:
    with Storm(short_dir(), partitions, seed) as storm:
        first = until(lambda: epoch_of(storm), what="the store")
        storm.rage(ROUNDS)
        storm.settle()
        told = storm.told()
        with storm.server.client() as client:
            problems = check_store(
                storm.store(client),
                [event for each in told for event in each.events],
                [fork for each in told for fork in each.forked],
            )
        last = epoch_of(storm)
    assert problems == [], f"seed {seed}: {len(problems)} problems, the first: {problems[:20]}"

    # The storm was one: everything that producers do was done, and the server did die.
    assert storm.kills == Counter(dict.fromkeys(VICTIMS, ROUNDS))
    assert storm.kills.total() == 20
    deeds = Counter(each.deed for each in told)
    assert set(deeds) == {
        "publish", "publish_many", "large", "evaluation", "request", "fork", "branch",
    }  # fmt: skip
    assert last == first + ROUNDS
