"""What health says of subscribers, on both forms of the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.consuming import publish
from support.subscribing import Listener, take
from support.wait import until

if TYPE_CHECKING:
    import redis
    from support.buses import BusUnderTest

    from eventstore.health_checks import Check


def look(tested: BusUnderTest) -> Check:
    return next(check for check in tested.bus.health().checks if check.name == "subscribers")


def test_none_is_well(tested: BusUnderTest) -> None:
    assert (look(tested).status, look(tested).detail) == ("ok", "no program subscribes")


def test_one_that_is_behind_and_lives_is_well(tested: BusUnderTest) -> None:
    publish(tested.store, "s", 5)
    with tested.bus.subscribe(group="mailer") as events:
        take(events, 2)
        events.commit()
        found = look(tested)
        assert (found.status, "behind, and consumed: mailer by 3" in found.detail) == ("ok", True)
    with Listener(tested.bus.subscribe(group="mailer")) as listener:
        listener.until_seen(3)
        assert look(tested).detail == "1 subscribers, all at the head"


def test_one_that_is_behind_and_not_running_is_a_warning(tested: BusUnderTest) -> None:
    publish(tested.store, "s", 5)
    take(tested.bus.subscribe(group="mailer"), 1)
    found = look(tested)
    assert found.status == "warning"
    assert "no process consumes them: mailer by 5; trimming waits for them" in found.detail
    assert "`eventstore group delete GROUP`" in found.remedy
    with Listener(tested.bus.subscribe(group="mailer")) as listener:
        listener.until_seen(5)
    until(lambda: look(tested).status == "ok", what="a subscriber at the head")


def test_one_that_was_given_what_the_log_lost_fails(
    tested: BusUnderTest, redis_client: redis.Redis
) -> None:
    publish(tested.store, "s", 5)
    take(tested.bus.subscribe(group="mailer"), 1)
    keys = tested.store.parts.log.keys_of("s")
    redis_client.hset(keys.checkpoints, "mailer", f"1:7:{'0' * 16}")
    found = look(tested)
    assert found.status == "failed"
    assert f"up to 7 of partition {keys.partition}, whose log ends at 5" in found.detail
    assert "`eventstore group reset mailer`" in found.remedy


def test_a_delete_that_was_begun_is_a_warning(
    tested: BusUnderTest, redis_client: redis.Redis
) -> None:
    redis_client.hset(tested.store.parts.log.partitions[0].subscribers, "mailer", "")
    found = look(tested)
    assert (found.status, found.detail.startswith("half deleted: mailer")) == ("warning", True)
