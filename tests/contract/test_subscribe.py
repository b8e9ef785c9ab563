"""Subscribing, on both forms of the bus: order, position, filters, commits, the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.consuming import publish
from support.subscribing import assert_in_order, positions, take
from support.wait import until

from eventstore.errors import GroupRefused, InvalidInput, InvalidName

if TYPE_CHECKING:
    import redis
    from support.buses import BusUnderTest

    from eventstore.bus import EventBus

HEADER = {"session_id": "s", "agent_id": "a", "type": "state"}
SESSIONS = ("one", "two", "three", "a:{b}%")


def fill(tested: BusUnderTest, each: int = 30) -> dict[str, list[str]]:
    """Publish to several sessions in turns and return their refs."""
    refs: dict[str, list[str]] = {session: [] for session in SESSIONS}
    for _ in range(3):
        for session in SESSIONS:
            refs[session] += publish(tested.store, session, each // 3)
    return refs


def test_every_event_is_given_in_the_order_of_its_session(tested: BusUnderTest) -> None:
    refs = fill(tested, 600)
    with tested.bus.subscribe(group="g") as events:
        first = take(events, 1000)
        rest = take(events, 1400)
        assert events.commit()
    assert_in_order(first + rest, refs)
    assert positions(tested.store, "g") == [head.position for head in tested.store.head()]


def test_an_event_is_what_get_returns(tested: BusUnderTest) -> None:
    row = tested.bus.publish({**HEADER, "meta": {"k": [1]}}, {"text": "hé"})
    (event,) = take(tested.bus.subscribe(group="g"), 1)
    assert (event.header, event.payload) == tested.bus.get(row.ref)
    assert (event.ref, event.session_id, event.kind) == (row.ref, "s", "artifact.published")
    assert event.position == row.position
    assert event.event.agent_id == "a"
    assert row.ref in repr(event)


def test_payloads_are_left_out_on_request(tested: BusUnderTest) -> None:
    tested.bus.publish(HEADER, {"large": "x" * 5000})
    (event,) = take(tested.bus.subscribe(group="g", payloads=False), 1)
    assert event.payload is None
    assert event.header["payload"]["size"] > 5000


def test_what_was_not_committed_is_given_again(tested: BusUnderTest) -> None:
    refs = publish(tested.store, "s", 40)
    with tested.bus.subscribe(group="g") as events:
        assert [event.ref for event in take(events, 10)] == refs[:10]
        assert events.commit()
        assert [event.ref for event in take(events, 15)] == refs[10:25]
    again = tested.bus.subscribe(group="g")
    assert [event.ref for event in take(again, 30)] == refs[10:]


def test_events_that_come_later_are_waited_for(tested: BusUnderTest) -> None:
    refs = publish(tested.store, "s", 1)
    with tested.bus.subscribe(group="g") as events:
        for number, event in enumerate(events):
            assert event.ref == refs[number]
            if number == 3:
                break
            refs += publish(tested.store, "s", 1)


def test_filters_take_some_and_go_past_the_rest(tested: BusUnderTest) -> None:
    for number in range(40):
        tested.bus.publish({**HEADER, "type": "odd" if number % 2 else "even"}, number)
    tested.bus.fork("s", 7, "child")
    publish(tested.store, "s", 700)
    head = [head.position for head in tested.store.head()]
    with tested.bus.subscribe(group="odd", types=["odd"]) as events:
        assert [event.payload for event in take(events, 20)] == list(range(1, 40, 2))
        events.commit()
        tested.bus.publish({**HEADER, "type": "odd"}, "last")
        assert [event.payload for event in take(events, 1)] == ["last"]
        # Not committed: what comes before it is.
        assert positions(tested.store, "odd") == head
    forks = take(tested.bus.subscribe(group="forks", kinds=["branch.forked"]), 1)
    assert [event.header["branch_id"] for event in forks] == ["child"]
    by_type = take(tested.bus.subscribe(group="types", types=["branch.forked", "odd"]), 22)
    assert [event.kind for event in by_type].count("branch.forked") == 1
    both = tested.bus.subscribe(group="both", kinds=["artifact.published"], types=["odd"])
    assert len(take(both, 21)) == 21


def test_a_group_may_begin_behind_a_position(tested: BusUnderTest) -> None:
    refs = publish(tested.store, "s", 20)
    heads = [head.position for head in tested.store.head()]
    start: Any = 5 if len(heads) == 1 else {p: min(5, head) for p, head in enumerate(heads)}
    events = take(tested.bus.subscribe(group="g", start=start), 15)
    assert [event.ref for event in events] == refs[5:]


def test_a_group_may_begin_at_the_end(tested: BusUnderTest) -> None:
    publish(tested.store, "s", 20)
    heads = [head.position for head in tested.store.head()]
    with tested.bus.subscribe(group="g", start="end") as events:
        until(lambda: positions(tested.store, "g") == heads, what="the group's beginning")
        refs = publish(tested.store, "s", 3)
        assert [event.ref for event in take(events, 3)] == refs


def test_a_start_counts_only_for_a_new_group(tested: BusUnderTest) -> None:
    refs = publish(tested.store, "s", 5)
    assert [e.ref for e in take(tested.bus.subscribe(group="g"), 1)] == refs[:1]
    again = tested.bus.subscribe(group="g", start="end")
    assert [e.ref for e in take(again, 5)] == refs


def test_the_group_shows_in_the_servers_own_tools(
    tested: BusUnderTest, redis_client: redis.Redis
) -> None:
    publish(tested.store, "s", 5)
    with tested.bus.subscribe(group="g") as events:
        take(events, 2)
        keys = tested.store.parts.log.keys_of("s")

        def shown() -> dict[str, Any]:
            (found,) = redis_client.xinfo_groups(keys.stream)
            return found

        assert (shown()["name"], shown()["last-delivered-id"]) == (b"g", b"0-0")
        events.commit()
        assert shown()["last-delivered-id"] == b"0-2"
        assert shown()["lag"] == 3


class TestRefused:
    @pytest.mark.parametrize(
        "name",
        ["", "index", "payloads", "journal", "ticks", "dispatch", "a@g2", "\udc80", 3, "n" * 1025],
    )
    def test_names(self, bus: EventBus, name: Any) -> None:
        with pytest.raises(InvalidName, match="group"):
            bus.subscribe(group=name)

    @pytest.mark.parametrize("start", ["first", -1, 1.5, True, None, {0: -1}, {"0": 1}, [1]])
    def test_starts(self, bus: EventBus, start: Any) -> None:
        with pytest.raises(InvalidInput, match="start: "):
            bus.subscribe(group="g", start=start)

    @pytest.mark.parametrize(
        "named", [{"kinds": ["artifact"]}, {"kinds": "x"}, {"kinds": []}, {"types": [""]}]
    )
    def test_filters(self, bus: EventBus, named: Any) -> None:
        with pytest.raises(InvalidInput, match=next(iter(named))):
            bus.subscribe(group="g", **named)

    def test_a_start_behind_the_head(self, tested: BusUnderTest) -> None:
        count = len(tested.store.head())
        start: Any = 1 if count == 1 else dict.fromkeys(range(count), 1)
        with pytest.raises(InvalidInput, match="partition 0 ends at 0, 1 is behind that"):
            take(tested.bus.subscribe(group="g", start=start), 1)
        assert positions(tested.store, "g") == [0] * count

    def test_a_start_that_is_not_of_every_partition(self, tested: BusUnderTest) -> None:
        start: Any = {0: 0, 1: 0} if len(tested.store.head()) == 1 else 0
        with pytest.raises(InvalidInput, match="partitions"):
            take(tested.bus.subscribe(group="g", start=start), 1)

    def test_the_name_of_another_kind_of_group(
        self, tested: BusUnderTest, redis_client: redis.Redis
    ) -> None:
        tested.store.open()
        keys = tested.store.parts.log.partitions[0]
        redis_client.hset(keys.checkpoints, "plugin", f"1:0:{'0' * 16}")
        with pytest.raises(GroupRefused, match="another kind of group has this name"):
            take(tested.bus.subscribe(group="plugin"), 1)

    def test_a_commit_of_what_is_closed(self, tested: BusUnderTest) -> None:
        publish(tested.store, "s", 1)
        events = tested.bus.subscribe(group="g")
        with pytest.raises(InvalidInput, match="the subscription is not open"):
            events.commit()
        take(events, 1)
        with pytest.raises(InvalidInput, match="the subscription is not open"):
            events.commit()


class TestStop:
    def test_a_loop_that_waits_ends(self, tested: BusUnderTest) -> None:
        refs = publish(tested.store, "s", 3)
        events = tested.bus.subscribe(group="g")
        seen = []

        def stop_after(event: Any) -> None:
            seen.append(event.ref)
            if len(seen) == 3:
                threading.Timer(0.05, events.stop).start()

        for event in events:
            stop_after(event)
        assert seen == refs

    def test_a_loop_with_an_event_in_hand_ends_after_it(self, tested: BusUnderTest) -> None:
        publish(tested.store, "s", 3)
        given = []
        with tested.bus.subscribe(group="g") as events:
            for event in events:
                events.stop()
                given.append(event.position)
            assert given == [1]
            assert events.commit()
        assert max(positions(tested.store, "g")) == 1

    def test_nothing_is_given_after_it(self, tested: BusUnderTest) -> None:
        publish(tested.store, "s", 3)
        events = tested.bus.subscribe(group="g")
        events.stop()
        assert list(events) == []
        assert take(tested.bus.subscribe(group="g"), 1)[0].position == 1
