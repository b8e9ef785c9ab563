"""Competing through lost replies, thieves, destroyed groups and events that cannot be read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from support.competing import NOTHING, Running, Taker, acking, left, take
from support.consuming import at, drafts, publish
from support.parking import parked_of, trying
from support.proxy import LossyProxy
from support.stores import make_settings
from support.wait import until

from eventstore import commands
from eventstore.bus import EventBus
from eventstore.errors import GroupNotFound, UndecodableEvent
from eventstore.flow import call
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.competing.item import WorkItem
    from eventstore.settings import AppSettings


@pytest.fixture
def settings(server: PrivateServer, namespace: str) -> AppSettings:
    return trying(make_settings(server, namespace), 3)


@pytest.fixture
def bus(settings: AppSettings) -> Iterator[EventBus]:
    with EventBus(EventStore(settings)) as opened:
        yield opened


@pytest.fixture
def proxy(server: PrivateServer) -> Iterator[LossyProxy]:
    with LossyProxy(server.socket_path) as proxy:
        yield proxy


@pytest.mark.parametrize(
    ("script", "nth"),
    [
        ("compete", 1),
        *((script, nth) for script in ("seat", "dispatch", "settle", "claim") for nth in (1, 2, 5)),
    ],
)
def test_a_lost_reply_loses_and_doubles_nothing(
    bus: EventBus, settings: AppSettings, proxy: LossyProxy, script: str, nth: int
) -> None:
    refs = publish(bus.store, "s", 10)
    lossy = proxy.settings(trying(settings, 3, takeover_seconds=1.0))
    proxy.lose_reply(script, nth)
    with EventBus(EventStore(lossy)) as other:
        taker = acking(other.compete(group="g"))
        with Running(taker):
            until(lambda: at(bus.store, "g").position == 10 and left(bus.store, "g") == NOTHING)
            refs += publish(bus.store, "s", 10)
            until(lambda: at(bus.store, "g").position == 20 and left(bus.store, "g") == NOTHING)
            until(lambda: proxy.lost == 1, what=f"a lost reply of {script}")
    assert sorted({item.ref for item in taker.seen}) == sorted(refs)
    assert all(taker.settled)


def test_work_that_was_given_and_never_heard_of_comes_back(
    bus: EventBus, settings: AppSettings, proxy: LossyProxy
) -> None:
    refs = publish(bus.store, "s", 5)
    lossy = proxy.settings(trying(settings, 3, takeover_seconds=0.5))
    proxy.lose_reply("XREADGROUP")
    with EventBus(EventStore(lossy)) as other:
        taker = acking(other.compete(group="g"))
        with Running(taker):
            taker.until_settled(5)
    assert proxy.lost == 1
    # This process itself had it in its hands, lived, and did not know of it.
    assert sorted(item.ref for item in taker.seen) == sorted(refs)
    assert left(bus.store, "g") == NOTHING


def test_a_piece_that_was_taken_over_is_not_this_process_to_settle(
    bus: EventBus, redis_client: redis.Redis
) -> None:
    [ref] = publish(bus.store, "s", 1)
    [keys] = bus.store.parts.log.partitions
    work = keys.work("g").stream
    said: list[bool] = []

    def settle(item: WorkItem) -> None:
        held: Any
        [held] = redis_client.xpending_range(work, "g", "-", "+", 1)
        redis_client.xclaim(work, "g", "thief", 0, [held["message_id"]])
        said.extend([item.ack(), item.ack(), item.nack()])

    take(bus.compete(group="g"), 1, settle)
    assert said == [False] * 3
    [held] = redis_client.xpending_range(work, "g", "-", "+", 1)
    assert (held["consumer"], held["times_delivered"]) == (b"thief", 2)
    assert ref not in [item.ref for item in parked_of(bus.store, "g")]


def test_a_later_delivery_under_the_same_name_is_another_one(
    bus: EventBus, redis_client: redis.Redis
) -> None:
    publish(bus.store, "s", 1)
    [keys] = bus.store.parts.log.partitions
    work = keys.work("g").stream
    said: list[bool] = []

    def settle(item: WorkItem) -> None:
        held: Any
        [held] = redis_client.xpending_range(work, "g", "-", "+", 1)
        redis_client.xclaim(work, "g", held["consumer"], 0, [held["message_id"]])
        said.append(item.ack())

    take(bus.compete(group="g"), 1, settle)
    assert said == [False]
    assert redis_client.xlen(work) == 1


def test_a_heartbeat_keeps_work_and_finds_out_what_was_taken(
    bus: EventBus, settings: AppSettings, redis_client: redis.Redis
) -> None:
    publish(bus.store, "s", 2)
    [keys] = bus.store.parts.log.partitions
    work = keys.work("g").stream
    held: list[WorkItem] = []
    quick = trying(settings, 3, takeover_seconds=0.6)
    with EventBus(EventStore(quick)) as other:
        taker = Taker(other.compete(group="g", in_flight=2), held.append)
        with Running(taker):
            until(lambda: len(held) == 2)
            pending: Any = redis_client.xpending_range(work, "g", "-", "+", 9)
            before = {each["message_id"] for each in pending}
            entry = min(before)
            redis_client.xclaim(work, "g", "thief", 0, [entry])
            # The thief never says a word, so it comes back: as another delivery.
            until(lambda: len(held) == 3)
            assert {item.position for item in held} == {1, 2}
            assert held[2].attempt > held[0].attempt
            lost = next(item for item in held[:2] if item.position == held[2].position)
            assert lost.ack() is False
            assert all(item.ack() for item in held if item is not lost)
    assert left(bus.store, "g") == NOTHING


@pytest.mark.parametrize("how", ["group", "stream"])
def test_work_whose_consumer_group_was_destroyed_goes_on(
    bus: EventBus, redis_client: redis.Redis, how: str
) -> None:
    publish(bus.store, "s", 3)
    [keys] = bus.store.parts.log.partitions
    work = keys.work("g").stream
    taker = acking(bus.compete(group="g"))
    with Running(taker):
        taker.until_settled(3)
        if how == "group":
            redis_client.xgroup_destroy(work, "g")
        else:
            redis_client.unlink(work)
        refs = publish(bus.store, "s", 3)
        until(lambda: set(refs) <= {item.ref for item in taker.seen}, what="what came after it")
    assert left(bus.store, "g") == NOTHING


def test_entries_that_somebody_deleted_are_said(
    bus: EventBus,
    settings: AppSettings,
    redis_client: redis.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish(bus.store, "s", 1)
    [keys] = bus.store.parts.log.partitions
    work = keys.work("g").stream
    take(bus.compete(group="g", in_flight=2), 1, lambda item: item.nack(0))
    # In the hands of one who died, and then deleted by somebody.
    until(lambda: redis_client.xlen(work) == 1)
    given: Any = redis_client.xreadgroup("g", "dead", {work: ">"})
    [(_, [(entry, _)])] = given
    redis_client.xdel(work, entry)
    quick = trying(settings, 3, takeover_seconds=0.2)
    with EventBus(EventStore(quick)) as other, Running(acking(other.compete(group="g"))):
        until(lambda: any("deleted work" in each.getMessage() for each in caplog.records))
    assert left(bus.store, "g") == NOTHING


@pytest.mark.parametrize("is_abandoned", [False, True])
def test_an_entry_that_names_no_event_is_taken_out_and_said(
    bus: EventBus,
    settings: AppSettings,
    redis_client: redis.Redis,
    caplog: pytest.LogCaptureFixture,
    is_abandoned: bool,
) -> None:
    publish(bus.store, "s", 1)
    take(bus.compete(group="g"), 1, lambda item: item.ack())
    [keys] = bus.store.parts.log.partitions
    work = keys.work("g").stream
    fields: Any
    for fields in ({"foo": "bar"}, {"position": "x", "attempts": "\xff"}, {"position": "-1"}):
        redis_client.xadd(work, fields)
    if is_abandoned:
        redis_client.xreadgroup("g", "dead", {work: ">"})
    refs = publish(bus.store, "s", 1)
    quick = trying(settings, 3, takeover_seconds=0.2)
    with EventBus(EventStore(quick)) as other:
        taker = acking(other.compete(group="g"))
        with Running(taker) as running:
            taker.until_settled(1)
            until(lambda: left(bus.store, "g") == NOTHING, what="nothing left")
        assert running.error is None
    assert [item.ref for item in taker.seen] == refs
    assert sum("which names no event" in each.getMessage() for each in caplog.records) == 3


def test_a_group_that_is_gone_ends_who_competes(bus: EventBus, redis_client: redis.Redis) -> None:
    publish(bus.store, "s", 1)
    [keys] = bus.store.parts.log.partitions
    taker = acking(bus.compete(group="g"))
    with Running(taker) as running:
        taker.until_settled(1)
        redis_client.hdel(keys.competing, "g")
        running.until_ended()
    assert isinstance(running.error, GroupNotFound)


def append_newer(store: EventStore, session: str) -> None:
    """Append an event as a later version of this code would: of a schema version unknown here."""
    opened, keys = store.open(), store.parts.log.keys_of(session)
    step = commands.append(
        keys, session, drafts(session, 1), epoch=opened.epochs[0], buffer_limit=10**6,
        expect={}, start={},
    )  # fmt: skip
    values: list[Any] = list(step.args)
    where = next(n for n, value in enumerate(values) if value == "artifact.published") + 1
    values[where] = 99
    newer = dataclasses.replace(step, args=tuple(values))
    assert isinstance(store.reading(lambda: call(newer)), commands.Accepted)


def test_a_newer_schema_version_is_not_handed_out(bus: EventBus) -> None:
    publish(bus.store, "s", 3)
    append_newer(bus.store, "s")
    taker = acking(bus.compete(group="g"))
    with Running(taker) as running:
        running.until_ended()
    assert isinstance(running.error, UndecodableEvent)
    assert "position 4" in str(running.error)
    assert at(bus.store, "g").position == 3
    # What came before it is work, for this process or one of the newer version.
    assert left(bus.store, "g").work == 3 - len(taker.settled)


def test_a_payload_that_is_nowhere_is_parked_and_the_rest_goes_on(
    bus: EventBus, redis_client: redis.Redis
) -> None:
    refs = publish(bus.store, "s", 3)
    [keys] = bus.store.parts.log.partitions
    redis_client.unlink(keys.payload(refs[1]))
    taker = acking(bus.compete(group="g"))
    with Running(taker):
        until(lambda: left(bus.store, "g") == NOTHING._replace(parked=1))
    assert sorted(item.ref for item in taker.seen) == sorted([refs[0], refs[2]])
    [parked] = parked_of(bus.store, "g")
    assert (parked.ref, parked.attempts) == (refs[1], 3)
    assert parked.error.startswith("PayloadMissing")
