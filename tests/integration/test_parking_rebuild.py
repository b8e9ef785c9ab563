"""A read model that lacks parked events: verified without them, and whole after a rebuild."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.consuming import at, drafts, running, until_caught_up
from support.parking import left_out, missing, parked_of, trying
from support.rebuilding import rebuild
from support.stores import make_settings, open_store

from consumers.checking.verifying import verify_projection
from consumers.working.groups import project
from eventstore.errors import RebuildRefused
from projections.index import Index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import redis
    from support.server import PrivateServer

    from consumers.checking.verifying import Verified
    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys
    from eventstore.settings import AppSettings
    from eventstore.store import EventStore
    from projections.base import Projection, State, Write

POISON = "poison"
LEFT_OUT = [5, 6, 12]


class Picky(Index):
    """The index with a defect: it cannot fold artifacts of one type."""

    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        for item in events:
            if getattr(item.event, "type", "") == POISON:
                raise ValueError(f"cannot fold {item.event.ref}")
        return super().fold(events, state, keys)


class PickyElsewhere(Index):
    """The index with another defect: it cannot fold the third event."""

    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        if any(item.position == 3 for item in events):
            raise KeyError("third")
        return super().fold(events, state, keys)


def verify(store: EventStore, projection: Projection) -> Verified:
    return store.reading(partial(verify_projection, store.parts.log, 0, projection))


@pytest.fixture
def settings(server: PrivateServer, namespace: str) -> AppSettings:
    return trying(make_settings(server, namespace, lease_seconds=0.3), 1)


@pytest.fixture
def store(settings: AppSettings, server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    """A store whose index left three events of the session `s` out."""
    with open_store(server, namespace) as opened:
        for n in range(15):
            type_ = POISON if n + 1 in LEFT_OUT else "state"
            opened.append("s", drafts("s", 1, type=type_))
        with running(settings, {"index": project(Picky())}):
            until_caught_up(opened, "index")
        assert [item.position for item in parked_of(opened, "index")] == LEFT_OUT
        yield opened


def test_verify_leaves_the_same_events_out(store: EventStore, redis_client: redis.Redis) -> None:
    for projection in (Picky(), Index()):
        found = verify(store, projection)
        assert found.is_equal
        assert found.rows == 2 * 12
    [keys] = store.parts.log.partitions
    redis_client.zrem(keys.parked("index").positions, "5")
    assert not verify(store, Index()).is_equal


def test_a_rebuild_with_mended_code_makes_the_session_whole(
    store: EventStore, settings: AppSettings, redis_client: redis.Redis
) -> None:
    [keys] = store.parts.log.partitions
    assert missing(store, "s") == {"index": 3}
    [rebuilt] = rebuild(settings, Index())
    assert rebuilt.verified.is_equal
    assert rebuilt.verified.rows == 2 * 15
    assert (parked_of(store, "index"), missing(store, "s")) == ([], {})
    assert redis_client.exists(*keys.parked("index").all) == 0


def test_a_rebuild_with_the_same_defect_parks_the_same_events(
    store: EventStore, settings: AppSettings, redis_client: redis.Redis
) -> None:
    [keys] = store.parts.log.partitions
    [rebuilt] = rebuild(settings, Picky())
    assert rebuilt.verified.is_equal
    assert at(store, "index").generation == 2
    assert [item.position for item in parked_of(store, "index")] == LEFT_OUT
    assert missing(store, "s") == {"index": 3}
    assert redis_client.exists(*keys.parked("index").all) == 0
    assert redis_client.exists(*keys.parked("index", 2).all) == 3


def test_a_rebuild_never_leaves_out_what_the_live_one_has(
    store: EventStore, settings: AppSettings
) -> None:
    before = at(store, "index")
    with pytest.raises(RebuildRefused, match=r"position 3 cannot be folded \(KeyError"):
        rebuild(settings, PickyElsewhere())
    assert at(store, "index") == before
    assert verify(store, Index()).is_equal
    assert left_out(store, "index") == LEFT_OUT
