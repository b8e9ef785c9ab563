"""Competing, on both forms of the bus: every piece of work goes to one, until it is settled."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.competing import NOTHING, Running, Taker, acking, left, take
from support.consuming import drafts, publish
from support.wait import until

from eventstore.competing.beginning import competing_groups
from eventstore.competing.calls import DISPATCH_LIMIT, MOST_WORK
from eventstore.errors import GroupRefused, InvalidInput, InvalidName
from eventstore.flow import batch, call
from eventstore.views import checkpoint

if TYPE_CHECKING:
    from support.buses import BusUnderTest

    from eventstore.competing.item import WorkItem

HEADER = {"session_id": "s", "agent_id": "a", "type": "state"}
SESSIONS = ("one", "two", "three", "a:{b}%")


def fill(thrice: BusUnderTest, each: int) -> list[str]:
    return [ref for session in SESSIONS for ref in publish(thrice.store, session, each)]


def test_every_piece_goes_to_one_of_those_who_compete(thrice: BusUnderTest) -> None:
    refs = fill(thrice, 40)
    takers = [acking(thrice.bus.compete(group="g", in_flight=2)) for _ in range(3)]
    with Running(takers[0]), Running(takers[1]), Running(takers[2]):
        until(lambda: sum(len(each.settled) for each in takers) == len(refs))
        more = fill(thrice, 5)
        until(lambda: sum(len(each.settled) for each in takers) == len(refs) + len(more))
    seen = [item.ref for each in takers for item in each.seen]
    assert sorted(seen) == sorted(refs + more)
    assert all(done for each in takers for done in each.settled)
    assert {item.attempt for each in takers for item in each.seen} == {1}
    assert left(thrice.store, "g") == NOTHING


def test_a_piece_is_what_get_returns(thrice: BusUnderTest) -> None:
    row = thrice.bus.publish({**HEADER, "meta": {"k": [1]}}, {"text": "hé"})
    [item] = take(thrice.bus.compete(group="g"), 1, lambda item: item.ack())
    assert (item.header, item.payload) == thrice.bus.get(row.ref)
    assert (item.ref, item.session_id, item.kind) == (row.ref, "s", "artifact.published")
    assert (item.position, item.event.agent_id, item.attempt) == (row.position, "a", 1)
    assert item.is_settled


def test_groups_do_not_take_each_others_work(thrice: BusUnderTest) -> None:
    refs = fill(thrice, 3)
    for group in ("g", "h:{x}"):
        items = take(thrice.bus.compete(group=group), len(refs), lambda item: item.ack())
        assert sorted(item.ref for item in items) == sorted(refs)
        assert left(thrice.store, group) == NOTHING


def test_only_what_was_asked_for_is_work(thrice: BusUnderTest) -> None:
    wanted = []
    for n in range(40):
        type_ = ("state", "tool_call", "metrics")[n % 3]
        row = thrice.bus.publish({**HEADER, "type": type_}, {"n": n})
        if type_ != "state":
            wanted.append(row.ref)
        if n % 10 == 0:
            thrice.bus.create_evaluation_for(row.ref, evaluator_id="judge")
    types = ["tool_call", "metrics"]
    items = take(
        thrice.bus.compete(group="g", types=types, payloads=False), len(wanted), lambda i: i.ack()
    )
    assert [item.ref for item in items] == wanted
    assert all(item.payload is None for item in items)
    asked = take(
        thrice.bus.compete(group="h", kinds=["evaluation.requested"]), 4, lambda item: item.ack()
    )
    assert {item.kind for item in asked} == {"evaluation.requested"}
    assert left(thrice.store, "g") == left(thrice.store, "h") == NOTHING


def test_a_group_begins_where_it_is_told(thrice: BusUnderTest) -> None:
    publish(thrice.store, "s", 5)
    taker = acking(thrice.bus.compete(group="g", start="end"))
    with Running(taker):
        until(lambda: _is_set_up(thrice, "g"), what="the group set up")
        refs = publish(thrice.store, "s", 3)
        taker.until_settled(3)
    assert [item.ref for item in taker.seen] == refs
    # It is there by now, so its start is not moved.
    publish(thrice.store, "s", 1)
    assert len(take(thrice.bus.compete(group="g", start="begin"), 1, lambda i: i.ack())) == 1
    assert left(thrice.store, "g") == NOTHING


def _is_set_up(thrice: BusUnderTest, group: str) -> bool:
    found = thrice.store.reading(
        lambda: batch([competing_groups(keys) for keys in thrice.store.parts.log.partitions])
    )
    return all(group in each for each in found)


def test_one_in_hand_is_settled_before_the_next(thrice: BusUnderTest) -> None:
    publish(thrice.store, "s", 2)
    with pytest.raises(InvalidInput, match="not settled"):
        list(thrice.bus.compete(group="g"))
    # What was in hand went back, as a failed try.
    items = take(thrice.bus.compete(group="g"), 2, lambda item: item.ack())
    assert sorted((item.position, item.attempt) for item in items) == [(1, 2), (2, 1)]


def test_so_many_are_in_hand_and_no_more(thrice: BusUnderTest) -> None:
    publish(thrice.store, "s", 8)
    held: list[WorkItem] = []
    taker = Taker(thrice.bus.compete(group="g", in_flight=3), held.append)
    with Running(taker):
        until(lambda: len(held) == 3)
        assert left(thrice.store, "g").pending == 3
        assert len(held) == 3
        for n in range(5):
            held[n].ack()
            until(partial(_are, held, 4 + n), what="one more in hand")
            assert left(thrice.store, "g").pending <= 3
        for item in held:
            item.ack()
    assert len({item.ref for item in held}) == 8
    assert left(thrice.store, "g") == NOTHING


def _are(held: list[WorkItem], count: int) -> bool:
    return len(held) == count


def test_stop_ends_a_loop_that_waits(thrice: BusUnderTest) -> None:
    competing = thrice.bus.compete(group="g")
    taker = acking(competing)
    with Running(taker) as running:
        publish(thrice.store, "s", 1)
        taker.until_settled(1)
        competing.stop()
        running.until_ended()
    publish(thrice.store, "s", 1)
    assert list(competing) == []


def test_all_who_compete_take_the_same_events(thrice: BusUnderTest) -> None:
    publish(thrice.store, "s", 1)
    take(thrice.bus.compete(group="g", types=["state"]), 1, lambda item: item.ack())
    others: tuple[dict[str, Any], ...] = (
        {"types": ["metrics"]},
        {},
        {"types": ["state"], "kinds": ["session.opened"]},
    )
    for other in others:
        with pytest.raises(GroupRefused, match="it takes"):
            list(thrice.bus.compete(group="g", **other))


def test_a_name_is_of_one_kind_of_group(thrice: BusUnderTest) -> None:
    publish(thrice.store, "s", 1)
    take(thrice.bus.compete(group="g"), 1, lambda item: item.ack())
    with pytest.raises(GroupRefused, match="another kind"):
        next(iter(thrice.bus.subscribe(group="g")))
    for event in thrice.bus.subscribe(group="h"):
        assert event.position == 1
        break
    with pytest.raises(GroupRefused, match="another kind"):
        list(thrice.bus.compete(group="h"))


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"group": "index"}, InvalidName),
        ({"group": ""}, InvalidName),
        ({"group": "g@2"}, InvalidName),
        ({"group": "g", "kinds": ["nothing"]}, InvalidInput),
        ({"group": "g", "types": []}, InvalidInput),
        ({"group": "g", "start": "middle"}, InvalidInput),
        ({"group": "g", "in_flight": 0}, InvalidInput),
        ({"group": "g", "in_flight": 1.5}, InvalidInput),
        ({"group": "g", "in_flight": True}, InvalidInput),
    ],
)
def test_bad_requests_are_refused_at_once(
    thrice: BusUnderTest, named: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        thrice.bus.compete(**named)


def test_a_large_backlog_waits_in_the_log(thrice: BusUnderTest) -> None:
    for _ in range(4):
        thrice.store.append("s", drafts("s", 400, payload=1))
    keys = thrice.store.parts.log.keys_of("s")
    held: list[WorkItem] = []
    with Running(Taker(thrice.bus.compete(group="g", in_flight=2), held.append)):
        until(lambda: left(thrice.store, "g").work >= MOST_WORK, what="as much as may be ready")
        until(lambda: len(held) == 2)
        at = thrice.store.reading(lambda: call(checkpoint(keys, "g")))
        assert at.position == left(thrice.store, "g").work < 1600
        assert left(thrice.store, "g").work <= MOST_WORK + DISPATCH_LIMIT
