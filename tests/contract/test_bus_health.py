"""The health of a store, on both forms of the bus: each check timed, with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.buses import BusUnderTest
from support.stores import make_settings

from eventstore.errors import Poisoned
from eventstore.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from anyio.from_thread import BlockingPortal
    from support.server import PrivateServer

    from eventstore.health_checks import Check, Health

HEADER = {"session_id": "s", "agent_id": "a", "type": "state"}
NAMES = [
    "redis",
    "eviction",
    "scripts",
    "durability",
    "store",
    "groups",
    "consumers",
    "subscribers",
    "retention",
    "workers",
    "parked",
    "missing",
    "payloads",
    "journal",
]


def check(health: Health, name: str) -> Check:
    return next(check for check in health.checks if check.name == name)


def keys_of(tested: BusUnderTest) -> Keys:
    """Return the keys of the partition that the session of these tests lies in."""
    return tested.store.parts.log.keys_of("s")


def test_every_part_is_looked_at_and_timed(tested: BusUnderTest) -> None:
    health = tested.bus.health()
    assert health.ok
    assert [check.name for check in health.checks] == NAMES
    assert {check.status for check in health.checks} == {"ok"}
    assert all(check.latency_ms > 0 and check.detail for check in health.checks)


def test_consumers_that_are_behind_without_a_worker_fail(tested: BusUnderTest) -> None:
    tested.bus.publish(HEADER, {})
    health = tested.bus.health()
    found = check(health, "consumers")
    assert (health.ok, found.status) == (False, "failed")
    assert "timeline by 1" in found.detail
    assert found.remedy == "start one: `eventstore work`"
    tested.project()
    assert "payloads by 1" in check(tested.bus.health(), "consumers").detail


def test_a_sealed_partition_fails(
    tested: BusUnderTest, namespace: str, redis_client: redis.Redis
) -> None:
    tested.bus.publish(HEADER, {})
    redis_client.hset(Keys(namespace, 0).meta, "state", "sealed")
    found = check(tested.bus.health(), "store")
    assert (found.status, "[0] are sealed" in found.detail) == ("failed", True)
    assert "`eventstore repair`" in found.remedy


@pytest.mark.parametrize("entry", ["*", "0-100000"])
def test_an_entry_that_no_append_wrote_fails(
    tested: BusUnderTest, redis_client: redis.Redis, entry: str
) -> None:
    tested.bus.publish(HEADER, {})
    redis_client.xadd(keys_of(tested).stream, {"x": "y"}, id=entry)
    with pytest.raises(Poisoned, match="eventstore log verify"):
        tested.bus.publish(HEADER, {})
    found = check(tested.bus.health(), "store")
    assert (found.status, "something else wrote" in found.detail) == ("failed", True)
    assert "`eventstore repair`" in found.remedy


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_an_entry_that_was_deleted_fails(
    tested: BusUnderTest, redis_client: redis.Redis, gone: int
) -> None:
    positions = [tested.bus.publish(HEADER, {}).position for _ in range(4)]
    assert check(tested.bus.health(), "store").status == "ok"
    redis_client.xdel(keys_of(tested).stream, f"0-{positions[gone]}")
    found = check(tested.bus.health(), "store")
    assert (found.status, "lacks 1 entries" in found.detail) == ("failed", True)
    assert "`eventstore repair`" in found.remedy


def test_a_tail_that_is_gone_fails(tested: BusUnderTest, redis_client: redis.Redis) -> None:
    tested.bus.publish(HEADER, {})
    position = tested.bus.publish(HEADER, {}).position
    redis_client.xdel(keys_of(tested).stream, f"0-{position}")
    found = check(tested.bus.health(), "store")
    assert (found.status, "its tail is gone" in found.detail) == ("failed", True)
    assert "`eventstore repair`" in found.remedy


def test_a_store_that_is_gone_fails_and_is_not_empty(
    tested: BusUnderTest, namespace: str, redis_client: redis.Redis
) -> None:
    tested.bus.publish(HEADER, {})
    redis_client.unlink(*redis_client.scan_iter(match=f"{{{namespace}:*", count=1000))
    health = tested.bus.health()
    for name in ("store", "consumers"):
        found = check(health, name)
        assert (found.status, "gone from the server" in found.detail) == ("failed", True)


def test_a_group_ahead_of_its_log_fails(
    tested: BusUnderTest, namespace: str, redis_client: redis.Redis
) -> None:
    tested.bus.publish(HEADER, {})
    tested.project()
    redis_client.hset(Keys(namespace, 0).checkpoints, "branch", f"1:7:{'0' * 16}")
    found = check(tested.bus.health(), "consumers")
    assert (found.status, "branch has consumed up to 7" in found.detail) == ("failed", True)


@pytest.mark.parametrize("form", ["blocking", "asyncio"])
def test_a_server_that_is_away_fails_and_one_that_is_back_does_not(
    private_server: Callable[..., PrivateServer],
    namespace: str,
    portal: BlockingPortal,
    form: str,
) -> None:
    server = private_server("--appendonly", "yes")
    settings = make_settings(server, namespace)
    tested = BusUnderTest(settings, portal if form == "asyncio" else None)
    try:
        tested.bus.publish(HEADER, {})
        server.stop()
        away = tested.bus.health()
        assert not away.ok
        assert {c.name for c in away.checks if c.status == "ok"} == {"payloads", "journal"}
        assert "is the server up?" in check(away, "redis").detail
        server.start()
        back = tested.bus.health()
        assert check(back, "redis").status == "ok"
        found = check(back, "store")
        assert (found.status, "it holds 1 events" in found.detail) == ("warning", True)
    finally:
        tested.close()
