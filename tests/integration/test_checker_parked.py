"""The independent checker takes events that a group left out for what they are, and no others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.checker_copy import SESSION, Copy, view
from support.checker_sample import copy_sample, make_sample, remove_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.checker_sample import Sample
    from support.server import PrivateServer


@pytest.fixture(scope="module")
def sound(server: PrivateServer) -> Iterator[Sample]:
    sample = make_sample(server, "checker-parked")
    yield sample
    remove_sample(sample)
    sample.store.client.close()


@pytest.fixture
def store(sound: Sample, namespace: str) -> Iterator[Copy]:
    """A store whose index left one artifact of the session out."""
    copied = copy_sample(sound, namespace)
    store = Copy(copied)
    told = next(each for each in copied.acknowledged if each.session_id == SESSION)
    fields = dict(store.entries())[f"0-{told.position}".encode()]
    item = {
        "position": told.position,
        "ref": told.ref,
        "session_id": SESSION,
        "kind": "artifact.published",
        "chain": fields[b"chain"].decode(),
    }
    store.redis.zadd(store.key("parked:index"), {str(told.position): told.position})
    store.redis.hset(store.key("parked:index:items"), str(told.position), json.dumps(item))
    store.redis.zadd(store.key("parked:index:sessions"), {f"{SESSION}:{told.position:016x}": 0})
    store.redis.hdel(store.key(view("index")), told.ref)
    store.redis.hdel(store.key(view("headers")), told.ref)
    yield store
    remove_sample(copied)


def test_what_is_parked_is_not_missed(store: Copy) -> None:
    assert store.problems() == []


def test_what_was_dropped_is_not_missed(store: Copy) -> None:
    store.redis.unlink(store.key("parked:index:items"))
    assert store.problems() == []


def test_what_is_left_out_and_applied_all_the_same_is_found(store: Copy) -> None:
    store.redis.hset(store.key(view("index")), store.sample.acknowledged[0].ref, "{}")
    assert any("should not be there" in problem for problem in store.problems())


def test_what_is_missing_and_not_left_out_is_found(store: Copy) -> None:
    store.redis.unlink(*(store.key(f"parked:index{end}") for end in ("", ":items", ":sessions")))
    assert any(":index: " in problem for problem in store.problems())


def test_a_session_that_is_not_marked_is_found(store: Copy) -> None:
    store.redis.unlink(store.key("parked:index:sessions"))
    assert any("index: sessions of what was left out" in each for each in store.problems())


def test_an_item_of_another_event_is_found(store: Copy) -> None:
    name = store.key("parked:index:items")
    [(field, value)] = store.redis.hgetall(name).items()
    store.redis.hset(name, field, json.dumps({**json.loads(value), "ref": "0" * 32}))
    assert any("is parked as" in problem for problem in store.problems())


def test_a_position_that_the_group_has_not_passed_is_found(store: Copy) -> None:
    store.redis.zadd(store.key("parked:index"), {"999": 999})
    assert any("left out [999], and is at" in problem for problem in store.problems())


def test_a_journal_that_left_events_out_is_found(store: Copy) -> None:
    store.redis.zadd(store.key("parked:journal"), {"1": 1})
    assert any("journal left events out: [1]" in problem for problem in store.problems())
