"""Handlers as subscribers, on both forms of the bus: exactly once, own state, several members."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.buses import BusUnderTest
from support.consuming import publish
from support.parking import missing, parked_of, trying
from support.subscribing import positions, take
from support.wait import until

from eventstore import Write
from eventstore.errors import StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from eventstore.subscribing.delivered import Delivered


FORBIDDEN: Any = "LPUSH"


def stop_at(tested: BusUnderTest, group: str, subscriber: Any) -> threading.Thread:
    """Stop a subscriber once its group is at the head of every partition."""

    def watch() -> None:
        heads = [head.position for head in tested.store.head()]
        until(lambda: positions(tested.store, group) == heads, what=f"{group} at the head")
        subscriber.stop()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def run_to_head(tested: BusUnderTest, group: str, subscriber: Any) -> None:
    watching = stop_at(tested, group, subscriber)
    try:
        subscriber.run()
    finally:
        subscriber.stop()
        watching.join()


def test_writes_are_made_once_with_the_step(
    tested: BusUnderTest, redis_client: redis.Redis
) -> None:
    refs = {session: publish(tested.store, session, 40) for session in ("s", "t", "u:{x}")}

    def total(event: Delivered) -> list[Write]:
        key = event.state_key("by", event.session_id)
        return [
            Write("HINCRBY", key, (event.ref, 1)),
            Write("SET", event.state_key("last"), (event.ref,)),
        ]

    first, second = (tested.bus.subscribe(group="totals")(total) for _ in range(2))
    run_to_head(tested, "totals", first)
    refs["v"] = publish(tested.store, "v", 3)
    run_to_head(tested, "totals", second)
    for session, each in refs.items():
        counts = redis_client.hgetall(second.state_key(session, "by", session))
        assert counts == {ref.encode(): b"1" for ref in each}


def test_a_handler_without_writes_is_stepped_past(tested: BusUnderTest) -> None:
    publish(tested.store, "s", 5)
    seen = []
    run_to_head(tested, "g", tested.bus.subscribe(group="g")(lambda event: seen.append(event.ref)))
    assert len(seen) == 5
    assert positions(tested.store, "g") == [head.position for head in tested.store.head()]


def test_the_function_itself_can_be_called(tested: BusUnderTest) -> None:
    publish(tested.store, "s", 1)
    (event,) = take(tested.bus.subscribe(group="g"), 1)

    @tested.bus.subscribe(group="g")
    def handle(event: Delivered) -> list[Write]:
        return [Write("SET", event.state_key("ref"), (event.ref,))]

    (write,) = handle(event) or ()
    assert write.args == (event.ref,)
    assert write.key == handle.state_key("s", "ref")


class Fault(Exception):
    pass


@pytest.fixture
def impatient(tested: BusUnderTest) -> Iterator[BusUnderTest]:
    """The bus, on which an event is tried three times, almost at once."""
    portal = getattr(tested.bus, "_portal", None)
    under_test = BusUnderTest(trying(tested.settings, 3), portal)
    try:
        yield under_test
    finally:
        under_test.close()


def test_what_a_handler_raises_is_tried_again_in_order(impatient: BusUnderTest) -> None:
    refs = publish(impatient.store, "s", 5)
    seen = []

    def fail_twice_at_the_third(event: Delivered) -> None:
        seen.append(event.ref)
        if len(seen) in (3, 4):
            raise Fault

    run_to_head(impatient, "g", impatient.bus.subscribe(group="g")(fail_twice_at_the_third))
    assert seen == [*refs[:3], refs[2], *refs[2:]]
    assert missing(impatient.store, "s") == {}


def never_the_second(event: Delivered) -> None:
    if event.position == 2:
        raise Fault("secret=hunter2")


def test_what_keeps_failing_is_parked_once_and_gone_past(impatient: BusUnderTest) -> None:
    refs = publish(impatient.store, "s", 5)
    for _ in range(2):
        run_to_head(impatient, "g", impatient.bus.subscribe(group="g")(never_the_second))
    partition = impatient.store.parts.log.keys_of("s").partition
    (item,) = parked_of(impatient.store, "g", partition)
    assert (item.ref, item.attempts) == (refs[1], 3)
    assert item.error.startswith("Fault: ")
    assert "never_the_second" in item.traceback
    assert missing(impatient.store, "s") == {"g": 1}


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda event: [Write("SET", "elsewhere", ("x",))], "not the group's own here"),
        (lambda event: ["SET"], "each an eventstore.Write; not 'SET'"),
        (lambda event: Write("SET", event.state_key("x"), ("x",)), "in a list"),
        (lambda event: 3, "not 3"),
        (lambda event: [Write("SET", event.state_key("x"), ("x",))] * 10_001, "more writes than"),
        (lambda event: [Write(FORBIDDEN, event.state_key("x"), ("x",))], "is not allowed"),
    ],
)
def test_what_are_no_writes_of_its_own_is_a_failure(
    impatient: BusUnderTest, returned: Any, said: str
) -> None:
    publish(impatient.store, "s", 1)
    run_to_head(impatient, "g", impatient.bus.subscribe(group="g")(returned))
    partition = impatient.store.parts.log.keys_of("s").partition
    (item,) = parked_of(impatient.store, "g", partition)
    assert said in item.error


def test_what_is_away_is_waited_for_without_counting(impatient: BusUnderTest) -> None:
    publish(impatient.store, "s", 2)
    tries = []

    def away(event: Delivered) -> None:
        tries.append(event.ref)
        if len(tries) < 8:
            raise StoreUnreachable("a service of the handler's own")

    run_to_head(impatient, "g", impatient.bus.subscribe(group="g")(away))
    assert len(tries) == 9
    assert missing(impatient.store, "s") == {}


def test_a_handler_that_keeps_failing_is_stopped(tested: BusUnderTest) -> None:
    publish(tested.store, "s", 2)
    failed = threading.Event()

    def fail(event: Delivered) -> None:
        failed.set()
        raise Fault

    subscriber = tested.bus.subscribe(group="g")(fail)
    running = threading.Thread(target=subscriber.run)
    running.start()
    assert failed.wait(60.0)
    subscriber.stop()
    running.join()
    assert max(positions(tested.store, "g")) == 0


def test_members_of_a_group_share_the_partitions(tested: BusUnderTest) -> None:
    refs = {f"s{n}": publish(tested.store, f"s{n}", 20) for n in range(12)}
    seen: dict[str, list[str]] = {session: [] for session in refs}
    partitions: list[set[int]] = [set(), set()]

    def member(number: int) -> Any:
        def handle(event: Delivered) -> None:
            seen[event.session_id].append(event.ref)
            partitions[number].add(event.partition)

        return tested.bus.subscribe(group="g")(handle)

    members = [member(0), member(1)]
    threads = [threading.Thread(target=each.run) for each in members]
    for thread in threads:
        thread.start()
    heads = [head.position for head in tested.store.head()]
    until(lambda: positions(tested.store, "g") == heads, what="the head")
    for each in members:
        each.stop()
    for thread in threads:
        thread.join()
    assert seen == refs
    assert partitions[0] | partitions[1] == {p for p, head in enumerate(heads) if head}
