"""Subscribers and trimming: what left the server is read from the journal, what is due stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import publish
from support.stores import open_store
from support.subscribing import positions, take
from support.trimming import all_groups, keep, put_groups, stream, trim, write_journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.store import EventStore


@pytest.fixture
def store(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    with open_store(server, namespace) as store:
        yield store


def trim_all_but(store: EventStore, client: redis.Redis, events: int) -> int:
    """Let the store's own groups pass everything, trim, and return the first position kept."""
    head = store.head()[0].position
    put_groups(client, store, all_groups(head))
    write_journal(store, [head])
    trim(store, keep(events=events))
    return int(stream(store)[0][0].partition(b"-")[2])


@pytest.mark.parametrize("start", [0, 5, 40])
def test_a_group_that_begins_before_what_is_kept_is_given_all(
    store: EventStore, redis_client: redis.Redis, start: int
) -> None:
    refs = publish(store, "s", 60)
    assert trim_all_but(store, redis_client, 10) == 51
    with store.subscribe(group="g", start=start) as events:
        given = []
        for event in events:
            given.append(event.ref)
            assert events.commit()
            if event.position == 60:
                break
    assert given == refs[start:]
    assert positions(store, "g") == [60]


def test_a_group_holds_back_what_it_has_not_committed(
    store: EventStore, redis_client: redis.Redis
) -> None:
    refs = publish(store, "s", 60)
    with store.subscribe(group="g") as events:
        take(events, 20)
        events.commit()
        take(events, 20)
    assert trim_all_but(store, redis_client, 10) == 21
    assert [event.ref for event in take(store.subscribe(group="g"), 40)] == refs[20:]


def test_events_that_are_trimmed_while_they_are_in_hand_are_no_loss(
    store: EventStore, redis_client: redis.Redis
) -> None:
    refs = publish(store, "s", 60)
    assert trim_all_but(store, redis_client, 30) == 31
    with store.subscribe(group="g", start=10) as events:
        first = take(events, 5)
        # Another member might have committed these by now; here an operator moves the group on.
        keys = store.parts.log.partitions[0]
        before = redis_client.hget(keys.checkpoints, "g")
        put_groups(redis_client, store, {"g": 60})
        trim(store, keep(events=5))
        redis_client.hset(keys.checkpoints, "g", before or b"")
        rest = take(events, 45)
        assert events.commit()
    assert [event.ref for event in first + rest] == refs[10:]
