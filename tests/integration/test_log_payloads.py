"""Payloads at the append: in the buffer, or in the payload store before the event is."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from support.artifacts import artifact
from support.stores import open_store

from eventstore.errors import Conflict, InvalidInput, RefConflict
from eventstore.loading import load_payloads, payload_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.drafts import Draft
    from eventstore.store import EventStore

INLINE_LIMIT = 1000
BUFFER = 5000


@pytest.fixture
def store(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    limits = {"inline_limit": INLINE_LIMIT, "payload_buffer_bytes": BUFFER}
    with open_store(server, namespace, **limits) as opened:
        yield opened


def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes that gzip does not make smaller."""
    return random.Random(seed).randbytes(size)


def places(store: EventStore) -> list[str]:
    infos = [found.event.payload for found in store.read("s")]
    return [info.place for info in infos if info is not None]


def loaded(store: EventStore, *items: Draft) -> list[object]:
    """Return the payloads of events as a reader of the log finds them."""
    keys, payloads = store.parts.log.keys_of("s"), store.parts.payloads
    wanted = [payload_of(store.get(item.event.ref).event) for item in items]
    return store.reading(lambda: load_payloads(payloads, keys, wanted))


class TestPlaces:
    def test_a_small_payload_waits_in_the_buffer(
        self, store: EventStore, redis_client: redis.Redis
    ) -> None:
        item = artifact("s", {"a": 1})
        store.append("s", [item])
        assert places(store) == ["buffer"]
        keys = store.parts.log.keys_of("s")
        assert redis_client.get(keys.payload(item.event.ref)) == b'{"a":1}'
        assert redis_client.hget(keys.meta, "payload_bytes") == b"7"
        assert store.parts.payloads.usage().files == 0
        assert loaded(store, item) == [{"a": 1}]

    def test_nothing_is_stored_for_no_bytes(
        self, store: EventStore, redis_client: redis.Redis
    ) -> None:
        items = [artifact("s", b""), artifact("s", "")]
        store.append("s", items)
        assert places(store) == ["none", "none"]
        assert loaded(store, *items) == [b"", ""]
        keys = store.parts.log.keys_of("s")
        assert redis_client.exists(*(keys.payload(item.event.ref) for item in items)) == 0

    def test_a_large_payload_goes_to_the_store_by_its_content(
        self, store: EventStore, redis_client: redis.Redis
    ) -> None:
        large = noise(INLINE_LIMIT + 1)
        items = [artifact("s", large), artifact("s", {"small": 1}), artifact("s", large)]
        store.append("s", items)
        assert places(store) == ["digest", "buffer", "digest"]
        assert store.parts.payloads.usage().files == 1
        assert loaded(store, *items) == [large, {"small": 1}, large]
        keys = store.parts.log.keys_of("s")
        assert redis_client.exists(keys.payload(items[0].event.ref)) == 0

    def test_a_full_buffer_sends_payloads_to_the_store(self, store: EventStore) -> None:
        items = [artifact("s", noise(900, seed)) for seed in range(7)]
        for item in items:
            store.append("s", [item])
        assert places(store) == ["buffer"] * 5 + ["digest"] * 2
        assert loaded(store, *items) == [noise(900, seed) for seed in range(7)]

    def test_an_event_without_bytes_passes_a_full_buffer(self, store: EventStore) -> None:
        for seed in range(6):
            store.append("s", [artifact("s", noise(900, seed))])
        store.append("s", [artifact("s", b"")])
        assert places(store)[-1] == "none"

    def test_the_place_is_not_content(self, store: EventStore, namespace: str) -> None:
        item = artifact("s", noise(500))
        rows = store.append("s", [item])
        with open_store_with_other_limits(store) as other:
            assert other.append("s", [item]) == rows
        large = artifact("s", noise(INLINE_LIMIT * 2))
        rows = store.append("s", [large])
        assert store.append("s", [large]) == rows


def open_store_with_other_limits(store: EventStore) -> EventStore:
    settings = store.parts.settings
    small = settings.store.model_copy(update={"inline_limit": 10})
    return type(store)(settings.model_copy(update={"store": small}))


class TestRefusals:
    def test_a_ref_conflict_leaves_the_store_untouched(self, store: EventStore) -> None:
        known = artifact("s", noise(INLINE_LIMIT * 2))
        store.append("s", [known])
        before = store.parts.payloads.usage()
        changed = artifact("s", noise(INLINE_LIMIT * 2, seed=2), ref=known.event.ref)
        with pytest.raises(RefConflict):
            store.append("s", [changed])
        with pytest.raises(RefConflict):
            store.append("s", [artifact("s", noise(INLINE_LIMIT * 3)), changed])
        assert store.parts.payloads.usage() == before
        assert loaded(store, known) == [noise(INLINE_LIMIT * 2)]

    def test_a_small_event_that_conflicts_keeps_a_large_one_out(self, store: EventStore) -> None:
        known = artifact("s", 1)
        store.append("s", [known])
        batch = [artifact("s", noise(INLINE_LIMIT * 2)), artifact("s", 2, ref=known.event.ref)]
        with pytest.raises(RefConflict):
            store.append("s", batch)
        assert store.parts.payloads.usage().files == 0

    def test_a_failed_expectation_leaves_the_store_untouched(self, store: EventStore) -> None:
        large = artifact("s", noise(INLINE_LIMIT * 2))
        with pytest.raises(Conflict) as refused:
            store.append("s", [large], expect={"branch:main": 3})
        assert (refused.value.expected, refused.value.actual) == (3, 0)
        assert store.parts.payloads.usage().files == 0
        rows = store.append("s", [large], expect={"branch:main": 0})
        assert store.append("s", [large], expect={"branch:main": 0}) == rows

    def test_a_batch_of_too_many_bytes_is_refused(
        self, server: PrivateServer, namespace: str
    ) -> None:
        with open_store(server, f"{namespace}-large", inline_limit=900_000) as store:
            items = [artifact("s", noise(600_000, seed)) for seed in range(2)]
            with pytest.raises(InvalidInput, match="at most 1048576 bytes"):
                store.append("s", items)
            assert store.head()[0].position == 0
            for item in items:
                store.append("s", [item])
            assert loaded(store, *items) == [noise(600_000, seed) for seed in range(2)]
