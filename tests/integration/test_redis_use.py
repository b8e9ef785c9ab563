"""How the store uses its server: round trips, no scans, no expiry, one connection an exchange."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support.buses import BusUnderTest
from support.stores import make_settings

from eventstore.errors import PayloadDamaged
from eventstore.flow import Pause
from eventstore.operations import Operations, filters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.flow import Flow

HEADER = {"session_id": "s", "agent_id": "a", "type": "state"}


@pytest.fixture
def tested(server: PrivateServer, namespace: str) -> Iterator[BusUnderTest]:
    under_test = BusUnderTest(make_settings(server, namespace), None)
    try:
        yield under_test
    finally:
        under_test.close()


def steps_of(tested: BusUnderTest, flow: Flow[Any]) -> int:
    """Run a flow and return how many round trips it made."""

    def counting() -> Flow[int]:
        count, result = 0, None
        try:
            step = next(flow)
            while True:
                count += not isinstance(step, Pause)
                result = yield step
                step = flow.send(result)
        except StopIteration:
            return count

    return tested.store.runner.run(counting())


def test_a_search_takes_the_same_round_trips_for_any_number_of_rows(tested: BusUnderTest) -> None:
    tested.bus.publish_many([(HEADER, n) for n in range(300)])
    tested.project()
    parts = tested.store.parts
    operations = Operations(parts.log, parts.appender, parts.payloads)
    trips = {
        limit: steps_of(tested, operations.search("s", filters(type="state"), "desc", limit))
        for limit in (1, 10, 300)
    }
    assert len(set(trips.values())) == 1, trips
    assert trips[300] <= 8


def test_an_artifact_whose_payload_waits_takes_three_round_trips(tested: BusUnderTest) -> None:
    row = tested.bus.publish(HEADER, {"n": 1})
    parts = tested.store.parts
    operations = Operations(parts.log, parts.appender, parts.payloads)
    # Where it lies; the entry; whether it was amended, together with its payload.
    assert steps_of(tested, operations.get(row.ref)) == 3


def test_no_payload_is_read_for_a_row_that_is_not_returned(
    tested: BusUnderTest, redis_client: redis.Redis
) -> None:
    rows = tested.bus.publish_many([(HEADER, {"n": n}) for n in range(10)])
    tested.project()
    keys = tested.store.parts.log.keys_of("s")
    for row in rows[:-1]:
        redis_client.set(keys.payload(row.ref), b"damaged")
    assert [payload for _, payload in tested.bus.search("s", limit=1)] == [{"n": 9}]
    assert [payload for _, payload in tested.bus.read_last_n("s", 1, type="state")] == [{"n": 9}]
    assert [payload for _, payload in tested.bus.history("s", limit=1)] == [{"n": 9}]
    with pytest.raises(PayloadDamaged):
        tested.bus.search("s", limit=2)


def use_everything(tested: BusUnderTest) -> None:
    bus = tested.bus
    first = bus.publish(HEADER, {"n": 1})
    bus.publish_many([({**HEADER, "meta": {"tags": ["t"]}}, n) for n in range(3)])
    bus.fork("s", at=1, name="child")
    bus.publish({**HEADER, "branch_id": "child"}, b"x" * 3000)
    bus.create_evaluation_for(first.ref, evaluator_id="judge")
    tested.project()
    bus.get(first.ref)
    bus.search("s", tag="t", agent="a")
    bus.search("s", type="state", limit=1)
    bus.read_first_n("s", 2)
    bus.history("s", "child")
    bus.branches("s")
    bus.evaluations_for(first.ref)
    tested.store.read("s", backwards=True, limit=2)
    tested.store.read_all(0)
    tested.store.head()


def test_nothing_scans_the_keyspace_or_deletes_at_once(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server()
    tested = BusUnderTest(make_settings(server, namespace), None)
    with server.client() as client:
        try:
            use_everything(tested)
        finally:
            tested.close()
        stats: Any = client.info("commandstats")
    used = {name.removeprefix("cmdstat_") for name in stats}
    assert {"evalsha", "xrange", "hmget"} <= used
    assert not used & {"keys", "scan", "del", "flushdb", "flushall", "expire", "pexpire", "xdel"}


def test_no_key_of_the_log_or_of_a_read_model_expires(
    tested: BusUnderTest, namespace: str, redis_client: redis.Redis
) -> None:
    use_everything(tested)
    keys = list(redis_client.scan_iter(match=f"{{{namespace}:*", count=1000))
    assert len(keys) > 15
    leases = [key for key in keys if b":lease:" in key]
    assert {redis_client.ttl(key) for key in keys if key not in leases} == {-1}


def test_threads_wait_for_a_connection_when_all_are_in_use(
    server: PrivateServer, namespace: str
) -> None:
    settings = make_settings(server, namespace)
    small = settings.redis.model_copy(update={"max_connections": 2})
    tested = BusUnderTest(settings.model_copy(update={"redis": small}), None)
    try:
        with ThreadPoolExecutor(8) as pool:
            rows = list(pool.map(lambda n: tested.bus.publish(HEADER, n), range(80)))
        assert sorted(row.seq for row in rows) == list(range(80))
        idle, used = tested.store.runner.connections()
        assert (idle, used) == (2, 0)
    finally:
        tested.close()
