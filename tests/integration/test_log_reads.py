"""Reading the log: ranges of a session, whole partitions, single refs, heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.artifacts import artifact, artifacts, decision
from support.stores import open_store

from eventstore.chain import GENESIS
from eventstore.errors import ArtifactNotFound, InvalidInput, Poisoned
from eventstore.events import SessionOpened
from eventstore.log_reader import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.store import EventStore

COUNT = 12
RANGES: list[dict[str, Any]] = [
    {},
    {"from_seq": 4},
    {"to_seq": 5},
    {"from_seq": 3, "to_seq": 9},
    {"from_seq": 9, "to_seq": 3},
    {"from_seq": 5, "to_seq": 5},
    {"to_seq": 0},
    {"from_seq": COUNT},
    {"from_seq": 5, "to_seq": 500},
    {"from_seq": 500},
]


@pytest.fixture(params=[1, 4])
def store(
    server: PrivateServer, namespace: str, request: pytest.FixtureRequest
) -> Iterator[EventStore]:
    with open_store(server, namespace, request.param) as opened:
        yield opened


def fill(store: EventStore, session: str = "s") -> list[str]:
    """Append to one session between appends to others, and return its refs in order."""
    refs = []
    for n in range(COUNT):
        refs += [row.ref for row in store.append(session, artifacts(session, 1, meta={"n": n}))]
        store.append(f"other {n % 3}", artifacts(f"other {n % 3}", n % 2 + 1))
    return refs


class TestSession:
    @pytest.mark.parametrize("backwards", [False, True])
    @pytest.mark.parametrize("limit", [None, 0, 1, 5, 100])
    def test_a_range_is_a_slice(
        self, store: EventStore, limit: int | None, backwards: bool
    ) -> None:
        refs = fill(store)
        for bounds in RANGES:
            wanted = refs[bounds.get("from_seq", 0) : bounds.get("to_seq", COUNT)]
            wanted = wanted[::-1] if backwards else wanted
            found = store.read("s", backwards=backwards, limit=limit, **bounds)
            assert [each.event.ref for each in found] == wanted[:limit], bounds

    def test_a_session_without_events_reads_empty(self, store: EventStore) -> None:
        assert store.read("nobody") == []
        assert store.read("nobody", backwards=True, limit=3) == []

    @pytest.mark.parametrize("bounds", [{"from_seq": -1}, {"to_seq": -1}, {"limit": -1}])
    def test_numbers_below_0_are_refused(self, store: EventStore, bounds: dict[str, int]) -> None:
        with pytest.raises(InvalidInput, match="-1 is below it"):
            store.read("s", **bounds)  # type: ignore[arg-type]

    def test_a_long_session_is_read_whole(self, store: EventStore) -> None:
        for _ in range(3):
            store.append("s", artifacts("s", PAGE // 2 + 1))
            store.append("t", artifacts("t", 1))
        assert [found.seq for found in store.read("s")] == list(range(3 * (PAGE // 2 + 1)))


class TestPartition:
    def test_every_page_is_read(self, store: EventStore) -> None:
        for _ in range(3):
            store.append("s", artifacts("s", PAGE // 2 + 1))
        partition = store.parts.log.keys_of("s").partition
        found = store.read_all(partition)
        assert [each.position for each in found] == list(range(1, 3 * (PAGE // 2 + 1) + 1))
        assert store.read_all(partition, after=700) == found[700:]
        assert store.read_all(partition, after=700, limit=3) == found[700:703]
        assert store.read_all(partition, limit=PAGE + 1) == found[: PAGE + 1]
        assert store.read_all(partition, after=10_000) == []
        assert store.read_all(partition, limit=0) == []

    def test_kinds_are_chosen_before_the_limit(self, store: EventStore) -> None:
        opened = [decision(SessionOpened, "s") for _ in range(3)]
        for item in opened:
            store.append("s", [artifact("s"), item])
        partition = store.parts.log.keys_of("s").partition
        found = store.read_all(partition, kinds={"session.opened"}, limit=2)
        assert [each.event for each in found] == [item.event for item in opened[:2]]
        assert store.read_all(partition, kinds=set()) == []

    @pytest.mark.parametrize("partition", [-1, 4])
    def test_a_partition_that_is_none_is_refused(self, store: EventStore, partition: int) -> None:
        with pytest.raises(InvalidInput, match="counted from 0"):
            store.read_all(partition)

    def test_a_gap_is_never_read_over(self, store: EventStore, redis_client: redis.Redis) -> None:
        items = artifacts("s", 4)
        store.append("s", items)
        keys = store.parts.log.keys_of("s")
        redis_client.xdel(keys.stream, "0-2")
        with pytest.raises(Poisoned, match=r"2 is gone.*`eventstore repair --keep journal`"):
            store.read_all(keys.partition)
        with pytest.raises(Poisoned, match="position 2 is gone"):
            store.read("s")
        with pytest.raises(Poisoned, match="position 2 of a known ref is gone"):
            store.append("s", items[1:2])
        assert [found.position for found in store.read_all(keys.partition, after=2)] == [3, 4]


class TestRefs:
    def test_a_ref_is_found_in_any_partition(self, store: EventStore) -> None:
        items = {name: artifact(name, {"of": name}) for name in map(str, range(8))}
        for name, item in items.items():
            store.append(name, [item])
        for name, item in items.items():
            found = store.get(item.event.ref)
            assert found.event == item.event
            assert found.partition == store.parts.log.keys_of(name).partition

    @pytest.mark.parametrize("ref", ["0" * 32, "nonsense", "", "A" * 32])
    def test_no_artifact_is_a_key_error(self, store: EventStore, ref: str) -> None:
        with pytest.raises(ArtifactNotFound) as missing:
            store.get(ref)
        assert isinstance(missing.value, KeyError)
        assert str(missing.value).startswith(f"no artifact with ref {ref!r}")


class TestHeads:
    def test_a_head_is_where_the_partition_ends(self, store: EventStore) -> None:
        assert {(head.position, head.chain) for head in store.head()} == {(0, GENESIS)}
        fill(store)
        heads = store.head()
        assert [head.partition for head in heads] == list(range(len(heads)))
        for head in heads:
            events = store.read_all(head.partition)
            last = (events[-1].position, events[-1].chain) if events else (0, GENESIS)
            assert (head.position, head.chain) == last
