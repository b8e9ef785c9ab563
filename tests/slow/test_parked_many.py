"""A hundred thousand parked events: replayed in constant memory, each once, none left.

Slow because there are so many. They are parked by the scripts that park, many in a call: failing at
each by itself would take minutes and shows nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from support.consuming import at, drafts
from support.parking import park_all, park_work
from support.parking_process import program
from support.parking_program import counts_key
from support.program import clean_environment, run_program
from support.stores import make_settings, open_store

from eventstore.flow import batch
from eventstore.parking.reading import size

if TYPE_CHECKING:
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from eventstore.store import EventStore

GROUP: Final = "counting"
MANY: Final = 100_000
FEW: Final = 1_000
# Where nothing is measured, and the way is another.
SOME: Final = 20_000
# What a few pages of parked events take, and some unrest; all of them would take 100 MB and more.
GROWTH: Final = 20 * 1024 * 1024


def append(store: EventStore, count: int) -> list[str]:
    """Append events to some sessions; return their refs."""
    refs = []
    for start in range(0, count, 250):
        items = drafts(f"s{start // 250 % 7}", min(250, count - start), type="poison")
        store.append(items[0].event.session_id, items)
        refs += [item.event.ref for item in items]
    return refs


def parked_count(store: EventStore) -> int:
    steps = [size(keys.parked(GROUP)) for keys in store.parts.log.partitions]
    return sum(store.reading(lambda: batch(steps)))


@pytest.mark.timeout(240)
def test_any_number_is_replayed_in_the_same_memory(
    server: PrivateServer, namespace: str, tmp_path: Path, redis_client: redis.Redis
) -> None:
    peaks = []
    for count in (FEW, MANY):
        space = f"{namespace}{count}"
        settings = make_settings(server, space)
        with open_store(server, space) as store:
            refs = append(store, count)
            park_all(settings, store, GROUP)
            assert parked_count(store) == count
            before = at(store)
            with program(settings, "measure", tmp_path / "log") as replay:
                said, _ = replay.communicate()
            assert replay.returncode == 0, (tmp_path / "log").read_text()
            peaks.append(int(said))
            [keys] = store.parts.log.partitions
            counts: Any = redis_client.hgetall(counts_key(keys))
            assert counts == {ref.encode(): b"1" for ref in refs}
            assert parked_count(store) == 0
            assert redis_client.exists(*keys.parked(GROUP).all) == 0
            assert at(store) == before
            assert before.position == count
    few, many = peaks
    assert many - few < GROWTH


@pytest.mark.timeout(120)
def test_any_number_goes_back_to_work(
    server: PrivateServer, namespace: str, tmp_path: Path, redis_client: redis.Redis
) -> None:
    with open_store(server, namespace) as store:
        append(store, SOME)
        park_work(store, GROUP)
        assert parked_count(store) == SOME
        before = at(store)
        environment = clean_environment(
            REDIS_URL=server.url, EVENTSTORE_STORE__NAMESPACE=namespace, EVENTSTORE_MODE="test"
        )
        done = run_program("parked", "replay", GROUP, env=environment, cwd=tmp_path)
        assert done.stdout.startswith(f"{SOME:,} events of {GROUP} are parked no more (")
        assert "events/s)" in done.stdout
        assert parked_count(store) == 0
        [keys] = store.parts.log.partitions
        work: Any = redis_client.xrange(keys.work(GROUP).stream)
        assert [int(entry[b"position"]) for _, entry in work] == list(range(1, SOME + 1))
        assert at(store) == before
