"""What health says of groups that hold the trim back, on both forms of the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.buses import BusUnderTest
from support.consuming import publish
from support.stores import make_settings
from support.subscribing import take
from support.trimming import all_groups, put_groups

from eventstore.competing.calls import seat
from eventstore.consuming.lease import new_token
from eventstore.flow import call
from eventstore.retention import TOLERATED
from eventstore.settings_models import RetentionSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.health_checks import Check

KEPT = 20


@pytest.fixture(params=["blocking", "asyncio"])
def keeping(
    request: pytest.FixtureRequest, server: PrivateServer, namespace: str
) -> Iterator[BusUnderTest]:
    """A bus on a store of one partition, of which 20 events are to stay in the server."""
    portal = request.getfixturevalue("portal") if request.param == "asyncio" else None
    settings = make_settings(server, namespace, lease_seconds=0.3).model_copy(
        update={"retention": RetentionSettings(keep_events=KEPT)}
    )
    under_test = BusUnderTest(settings, portal)
    try:
        yield under_test
    finally:
        under_test.close()


def look(tested: BusUnderTest) -> Check:
    return next(check for check in tested.bus.health().checks if check.name == "retention")


def grow(tested: BusUnderTest, redis_client: redis.Redis, count: int) -> None:
    """Append events that the store's own groups have consumed."""
    publish(tested.store, "s", count)
    put_groups(redis_client, tested.store, all_groups(tested.events))


def leave_behind(tested: BusUnderTest) -> None:
    """Let a subscriber consume one event and end."""
    publish(tested.store, "s", 1)
    with tested.bus.subscribe(group="mailer") as events:
        take(events, 1)
        events.commit()


def test_without_a_rule_nothing_is_held_back(tested: BusUnderTest) -> None:
    leave_behind(tested)
    publish(tested.store, "s", 5)
    found = look(tested)
    assert (found.status, found.detail) == ("ok", "no rule, so all events stay in the server")


def test_a_group_that_nobody_consumes_warns_then_fails(
    keeping: BusUnderTest, redis_client: redis.Redis
) -> None:
    leave_behind(keeping)
    grow(keeping, redis_client, KEPT)
    assert look(keeping).detail == "trimming waits for no group"
    grow(keeping, redis_client, TOLERATED)
    found = look(keeping)
    assert found.status == "warning"
    assert f"that nobody consumes: mailer with {TOLERATED} events" in found.detail
    assert "`eventstore group delete GROUP`" in found.remedy
    assert "eventstore work" not in found.remedy
    grow(keeping, redis_client, 1)
    assert look(keeping).status == "failed"
    assert not keeping.bus.health().ok


def test_one_that_is_consumed_is_on_its_way_and_warns_when_far_behind(
    keeping: BusUnderTest, redis_client: redis.Redis
) -> None:
    leave_behind(keeping)
    grow(keeping, redis_client, KEPT + 5)
    with keeping.bus.subscribe(group="mailer") as events:
        take(events, 1)
        found = look(keeping)
        detail = "trimming waits for groups that are consumed: mailer with 5 events"
        assert (found.status, found.detail) == ("ok", detail)
        grow(keeping, redis_client, TOLERATED)
        found = look(keeping)
        assert found.status == "warning"
        assert "are consumed, and far behind: mailer with 1005 events" in found.detail


def test_one_whose_work_is_competed_for_is_consumed(
    keeping: BusUnderTest, redis_client: redis.Redis
) -> None:
    grow(keeping, redis_client, KEPT + 5)
    put_groups(redis_client, keeping.store, {"judges": 1})
    keys, token = keeping.store.parts.log.partitions[0], new_token()
    keeping.store.reading(lambda: call(seat(keys, "judges", token, 60_000)))
    found = look(keeping)
    assert (found.status, "consumed: judges with 4" in found.detail) == ("ok", True)
    keeping.store.reading(lambda: call(seat(keys, "judges", token, 60_000, leaving=True)))
    found = look(keeping)
    assert (found.status, "nobody consumes: judges with 4" in found.detail) == ("warning", True)


def test_the_stores_own_groups_need_a_worker(
    keeping: BusUnderTest, redis_client: redis.Redis
) -> None:
    publish(keeping.store, "s", KEPT + TOLERATED + 1)
    put_groups(redis_client, keeping.store, all_groups(keeping.events) | {"timeline": 0})
    found = look(keeping)
    assert found.status == "failed"
    assert found.remedy == "start a worker: `eventstore work`"
