"""The payload group moves payloads to files; what hinders it hinders nobody else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from support.consuming import COUNTING, at, drafts, publish, running, until_caught_up
from support.parking import parked_of, trying
from support.payloads import GROUP, payload_of, with_payloads
from support.stores import make_settings
from support.wait import until

from consumers.applying.payload_group import STEP_BYTES
from consumers.monitoring.health import Verdict
from eventstore.consuming.membership import Slot
from eventstore.errors import StoreFull
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from consumers.working.worker import Worker
    from eventstore.codec import Recorded
    from eventstore.settings import AppSettings
SLOT = Slot("payloads", 0)


@pytest.fixture
def settings(server: PrivateServer, namespace: str, tmp_path: Path) -> AppSettings:
    """Settings whose payloads lie in files of the test's own."""
    return with_payloads(make_settings(server, namespace, inline_limit=5000), tmp_path / "p")


@pytest.fixture
def store(settings: AppSettings) -> Iterator[EventStore]:
    with EventStore(settings) as store:
        yield store


def meta(store: EventStore, redis_client: redis.Redis) -> dict[str, int]:
    """Return the counts of payload bytes that the partition keeps."""
    found = redis_client.hgetall(store.parts.log.partitions[0].meta)
    names = ("payload_bytes", "stored:file", "stored:digest")
    return {name: int(found.get(name.encode(), b"0")) for name in names}


def stored_bytes(items: list[Recorded], place: str) -> int:
    infos = [item.event.payload for item in items]
    return sum(info.stored for info in infos if info is not None and info.place == place)


def status_of(worker: Worker) -> Any:
    return worker.slots[SLOT].status


def test_payloads_are_moved_to_files_and_their_buffers_freed(
    settings: AppSettings, store: EventStore, redis_client: redis.Redis
) -> None:
    values = ["text", {"a": 1}, b"\x00\xff", "x" * 4000, {"large": os.urandom(9000).hex()}, ""]
    for value in values:
        store.append("s:1/{x}", drafts("s:1/{x}", 1, value))
    [keys] = store.parts.log.partitions
    buffered = len(list(redis_client.scan_iter(match=keys.payload("*"))))
    assert buffered > 0
    with running(settings, GROUP):
        until_caught_up(store, "payloads")
    items = store.read("s:1/{x}")
    assert [payload_of(store, item) for item in items] == values
    assert list(redis_client.scan_iter(match=keys.payload("*"))) == [keys.payload_digests.encode()]
    [large] = [i for i in items if i.event.payload and i.event.payload.place == "digest"]
    assert large.event.payload is not None
    assert redis_client.hgetall(keys.payload_digests) == {
        large.event.payload.sha256.encode(): b"%d" % large.position
    }
    assert meta(store, redis_client) == {
        "payload_bytes": 0,
        "stored:file": stored_bytes(items, "buffer"),
        "stored:digest": stored_bytes(items, "digest"),
    }


def test_payloads_of_a_batch_are_taken_in_steps(
    settings: AppSettings, redis_client: redis.Redis
) -> None:
    store_settings = settings.store.model_copy(update={"inline_limit": 900_000})
    settings = settings.model_copy(update={"store": store_settings})
    with EventStore(settings) as store:
        values = [os.urandom(700_000) for _ in range(3 * STEP_BYTES // 700_000)]
        for value in values:
            store.append("s", drafts("s", 1, value))
        with running(settings, GROUP):
            until_caught_up(store, "payloads")
        assert [payload_of(store, item) for item in store.read("s")] == values
        assert meta(store, redis_client)["payload_bytes"] == 0


def test_a_payload_whose_file_is_there_needs_no_buffer(
    settings: AppSettings, store: EventStore, redis_client: redis.Redis
) -> None:
    publish(store, "s", 5)
    [keys] = store.parts.log.partitions
    with running(settings, GROUP):
        until_caught_up(store, "payloads")
    # As after a crash between the last file and the apply, had the buffers gone with it.
    redis_client.hdel(keys.checkpoints, "payloads")
    with running(settings, GROUP):
        until_caught_up(store, "payloads")
    assert meta(store, redis_client)["payload_bytes"] == 0
    assert [payload_of(store, item) for item in store.read("s")] == [{"n": n} for n in range(5)]


def test_a_payload_that_is_nowhere_is_said_and_not_passed_over(
    settings: AppSettings, store: EventStore, redis_client: redis.Redis
) -> None:
    refs = publish(store, "s", 5)
    [keys] = store.parts.log.partitions
    buffered = redis_client.get(keys.payload(refs[3]))
    assert buffered is not None
    redis_client.unlink(keys.payload(refs[3]))
    with running(trying(settings, 1000), GROUP) as worker:
        until(lambda: at(store, "payloads").position == 3, what="all before it")
        until(lambda: status_of(worker).verdict is Verdict.DEFECT, what="a missing payload said")
        assert "PayloadMissing" in status_of(worker).error
        assert refs[3] in status_of(worker).error
        assert at(store, "payloads").position == 3
        redis_client.set(keys.payload(refs[3]), buffered)
        until_caught_up(store, "payloads")
        until(lambda: status_of(worker).error is None)


def test_a_damaged_buffer_is_said_and_not_stored(
    settings: AppSettings, store: EventStore, redis_client: redis.Redis
) -> None:
    [ref] = publish(store, "s", 1)
    [keys] = store.parts.log.partitions
    redis_client.set(keys.payload(ref), b"something else")
    with running(trying(settings, 2), GROUP):
        until(lambda: parked_of(store, "payloads"), what="the event parked")
    assert "PayloadDamaged" in parked_of(store, "payloads")[0].error
    [item] = store.read("s")
    assert item.event.payload is not None
    assert not store.parts.payloads.exists("s", ref, item.event.payload)
    assert redis_client.get(keys.payload(ref)) == b"something else"


def test_a_payload_store_that_is_down_delays_only_the_payload_group(
    settings: AppSettings, store: EventStore, tmp_path: Path
) -> None:
    store.open()
    (tmp_path / "p").write_text("a file in the place of the directory")
    with running(settings, {**GROUP, **COUNTING}) as worker:
        publish(store, "s", 30)
        until_caught_up(store, "counting")
        until(lambda: status_of(worker).verdict is Verdict.PAYLOADS, what="a fault said")
        assert at(store, "payloads").position == 0
        (tmp_path / "p").unlink()
        until_caught_up(store, "payloads")
        until(lambda: status_of(worker).error is None)
    assert [payload_of(store, item) for item in store.read("s")] == [{"n": n} for n in range(30)]


def test_a_full_buffer_sends_payloads_to_the_store_before_the_append(
    settings: AppSettings, redis_client: redis.Redis
) -> None:
    small = settings.store.model_copy(update={"payload_buffer_bytes": 100})
    settings = settings.model_copy(update={"store": small})
    with EventStore(settings) as store:
        for number in range(20):
            store.append("s", drafts("s", 1, {"n": number}))
        assert 0 < meta(store, redis_client)["payload_bytes"] <= 100
        with running(settings, GROUP):
            until_caught_up(store, "payloads")
        items = store.read("s")
        assert stored_bytes(items, "digest") > 0
        assert [payload_of(store, item) for item in items] == [{"n": n} for n in range(20)]
        assert meta(store, redis_client)["payload_bytes"] == 0


def test_a_payload_without_bytes_has_no_file(
    settings: AppSettings, store: EventStore, tmp_path: Path
) -> None:
    store.append("s", drafts("s", 1, ""))
    with running(settings, GROUP):
        until_caught_up(store, "payloads")
    [item] = store.read("s")
    assert payload_of(store, item) == ""
    assert not (tmp_path / "p" / "artifacts").exists()


def test_a_server_at_maxmemory_is_drained_by_a_worker_that_starts_then(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> None:
    server = private_server()
    settings = with_payloads(make_settings(server, namespace), tmp_path / "p")
    values = [os.urandom(100_000) for _ in range(40)]
    with EventStore(settings) as store, server.client() as client:
        store.open()
        room = int(client.info("memory")["used_memory"]) + 1_500_000
        for value in values:
            store.append("s", drafts("s", 1, value))
        client.config_set("maxmemory", room)
        with pytest.raises(StoreFull):
            publish(store, "s", 1)
        with running(settings, {**GROUP, **COUNTING}):
            until_caught_up(store, "payloads")
            until_caught_up(store, "counting")
        assert [payload_of(store, item) for item in store.read("s")] == values
        publish(store, "s", 1)
