"""Settling work, on both forms of the bus: done, tried again, given back, parked; and handlers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.competing import NOTHING, Running, acking, left, take
from support.consuming import publish
from support.parking import missing, parked_of
from support.wait import until

from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from support.buses import BusUnderTest

    from eventstore.competing.item import WorkItem
    from eventstore.parking.record import Parked

HEADER = {"session_id": "s", "agent_id": "a", "type": "state"}
SESSIONS = ("one", "two", "three", "a:{b}%")


def fill(thrice: BusUnderTest, each: int) -> list[str]:
    return [ref for session in SESSIONS for ref in publish(thrice.store, session, each)]


def all_parked(thrice: BusUnderTest, group: str) -> list[Parked]:
    count = len(thrice.store.parts.log.partitions)
    return [item for p in range(count) for item in parked_of(thrice.store, group, p)]


def test_a_failed_try_is_followed_by_another_until_it_is_parked(thrice: BusUnderTest) -> None:
    [bad, good] = publish(thrice.store, "s", 2)

    def settle(item: WorkItem) -> bool:
        if item.ref == good:
            return item.ack()
        return item.nack(error=ValueError(f"password=abcdefgh123 {item.attempt}"))

    taker_work = thrice.bus.compete(group="g")
    items = take(taker_work, 4, settle)
    assert [item.attempt for item in items if item.ref == bad] == [1, 2, 3]
    [parked] = all_parked(thrice, "g")
    assert (parked.ref, parked.attempts) == (bad, 3)
    assert parked.error == "ValueError: password=********** 3"
    assert missing(thrice.store, "s") == {"g": 1}
    assert left(thrice.store, "g") == NOTHING._replace(parked=1)


def test_a_delay_is_waited_for(thrice: BusUnderTest) -> None:
    [first, second] = publish(thrice.store, "s", 2)
    order: list[tuple[str, int]] = []

    def settle(item: WorkItem) -> Any:
        order.append((item.ref, item.attempt))
        if item.ref == first and item.attempt == 1:
            return item.nack(delay=1.0)
        return item.ack()

    take(thrice.bus.compete(group="g"), 3, settle)
    assert order == [(first, 1), (second, 1), (first, 2)]


def test_a_piece_that_is_deferred_was_not_tried(thrice: BusUnderTest) -> None:
    publish(thrice.store, "s", 1)
    deferred: list[bool] = []

    def settle(item: WorkItem) -> bool:
        if len(deferred) < 5:
            deferred.append(item.defer(0))
            return True
        return item.ack()

    items = take(thrice.bus.compete(group="g"), 6, settle)
    assert [item.attempt for item in items] == [1] * 6
    assert deferred == [True] * 5
    assert left(thrice.store, "g") == NOTHING


def test_the_first_word_counts(thrice: BusUnderTest) -> None:
    publish(thrice.store, "s", 2)
    for item in (work := thrice.bus.compete(group="g")):
        assert item.ack() is True
        assert item.ack() is True
        assert item.nack() is True
        if item.position == 2:
            work.stop()
    assert left(thrice.store, "g") == NOTHING


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf")])
def test_a_delay_that_is_none_is_refused(thrice: BusUnderTest, delay: float) -> None:
    publish(thrice.store, "s", 1)

    def settle(item: WorkItem) -> None:
        with pytest.raises(InvalidInput, match="delay"):
            item.nack(delay)
        assert not item.is_settled
        item.ack()

    take(thrice.bus.compete(group="g"), 1, settle)


def test_what_is_unsettled_at_the_end_goes_to_another(thrice: BusUnderTest) -> None:
    [ref] = publish(thrice.store, "s", 1)
    for attempt in (1, 2):
        for item in thrice.bus.compete(group="g"):
            assert (item.ref, item.attempt) == (ref, attempt)
            break
    assert left(thrice.store, "g")[1:] == (0, 1, 0)
    [item] = take(thrice.bus.compete(group="g"), 1, lambda item: item.ack())
    assert item.attempt == 3


def test_work_that_nobody_ever_settles_is_parked(thrice: BusUnderTest) -> None:
    [ref] = publish(thrice.store, "s", 1)
    for _ in range(3):
        for _item in thrice.bus.compete(group="g"):
            break
    with Running(acking(thrice.bus.compete(group="g"))):
        until(lambda: all_parked(thrice, "g"), what="it is parked")
    [parked] = all_parked(thrice, "g")
    assert (parked.ref, parked.attempts) == (ref, 3)
    assert "nobody who had it settled it" in parked.error


def test_a_handler_is_run_for_each_piece(thrice: BusUnderTest) -> None:
    refs = fill(thrice, 5)
    handled: list[str] = []

    @thrice.bus.compete(group="g")
    def handle(item: WorkItem) -> None:
        handled.append(item.ref)
        if item.payload["n"] == 3:
            raise ValueError("never three")

    with Running(handle):
        until(lambda: left(thrice.store, "g") == NOTHING._replace(parked=len(SESSIONS)))
        until(lambda: len(set(handled)) == len(refs))
    assert sorted(set(handled)) == sorted(refs)
    parked = all_parked(thrice, "g")
    assert {item.error for item in parked} == {"ValueError: never three"}
    assert all("in handle" in item.traceback for item in parked)
    assert len(handled) == len(refs) + 2 * len(parked)


def test_several_handlers_run_at_a_time(thrice: BusUnderTest) -> None:
    publish(thrice.store, "s", 6)
    together = threading.Barrier(3)
    passed: list[int] = []

    @thrice.bus.compete(group="g", in_flight=3)
    def handle(item: WorkItem) -> None:
        together.wait(60)
        passed.append(item.position)

    with Running(handle):
        until(lambda: len(passed) == 6)
    assert sorted(passed) == [1, 2, 3, 4, 5, 6]
    assert left(thrice.store, "g") == NOTHING
