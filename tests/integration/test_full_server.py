"""A server at maxmemory: appends are refused whole, all else goes on, producers come back."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.artifacts import artifact
from support.consuming import drafts, running
from support.full import PAYLOAD, PRODUCERS, SmallStore
from support.proxy import LossyProxy
from support.stores import make_settings
from support.subscribing import Listener, positions
from support.wait import until

from consumers.working.groups import known_groups
from eventstore.errors import StoreFull, StoreUnreachable
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from support.server import PrivateServer

    Starter: TypeAlias = Callable[..., PrivateServer]

MIB = 2**20
SESSIONS = [f"s{number}" for number in range(PRODUCERS)]


@pytest.fixture
def small(private_server: Starter, namespace: str, tmp_path: Path) -> SmallStore:
    return SmallStore(private_server(), namespace, tmp_path / "p")


def test_what_fills_a_server_with_payloads_is_drained_and_producers_go_on(
    small: SmallStore,
) -> None:
    small.leave_room(3 * MIB)
    refused = small.fill(with_payloads=True)
    assert len(refused) == PRODUCERS
    assert small.problems(caught_up=False) == []
    assert small.meta("payload_bytes") > MIB
    # The worker comes to a server that is full: it opens, takes leases, applies and frees.
    with running(small.settings, known_groups()):
        small.until_drained()
        assert small.meta("payload_bytes") == 0
        with EventStore(small.settings) as store:
            for session_id, items in refused:
                small.append(store, session_id, items)
        small.until_drained()
    assert small.problems(caught_up=True) == []


def test_a_server_full_of_headers_is_consumed_to_the_end_and_waits_for_memory(
    small: SmallStore,
) -> None:
    small.leave_room(MIB)
    refused = small.fill(with_payloads=False)
    with small.client() as client, EventStore(small.settings) as store:
        client.script_flush()
        [keys] = store.parts.log.partitions
        with running(small.settings, known_groups()):
            small.until_drained()
            memory = client.info("memory")
            assert memory["used_memory"] > memory["maxmemory"]
            [member] = client.zrange(keys.workers, 0, -1)
            seen = client.zscore(keys.workers, member)
            until(lambda: client.zscore(keys.workers, member) > seen, what="a heartbeat")
            [(_, mirrored)] = [
                (group["name"], group["entries-read"])
                for group in client.xinfo_groups(keys.stream)
                if group["name"] == b"index"
            ]
            assert mirrored == small.meta("head")
            with pytest.raises(StoreFull, match="at maxmemory and wrote nothing"):
                store.append(*refused[0])
            assert store.read("s0")
            small.leave_room(0)
            for session_id, items in refused:
                small.append(store, session_id, items)
            small.until_drained()
    assert small.problems(caught_up=True) == []


def test_a_subscriber_begins_and_commits_on_a_full_server(small: SmallStore) -> None:
    with EventStore(small.settings) as store:
        small.append(store, "s", drafts("s", 10, {"n": 1}))
        small.leave_room(-MIB // 4)
        with pytest.raises(StoreFull):
            store.append("s", drafts("s", 1))
        with Listener(store.subscribe(group="late")) as listener:
            listener.until_seen(10)
        assert all(listener.committed)
        assert positions(store, "late") == [10]


def test_producers_that_try_again_get_everything_in_while_a_worker_drains(
    small: SmallStore,
) -> None:
    # Room for all headers, and for a quarter of the payload bytes, which are the most of it.
    count, size = 50, 4 * PAYLOAD
    small.leave_room(PRODUCERS * count * size // 4 + 3 * MIB)
    with ThreadPoolExecutor(PRODUCERS) as pool:
        done = [pool.submit(small.produce, session, count, size) for session in SESSIONS]
        until(lambda: small.refused, what="a refusal")
        with running(small.settings, known_groups()):
            for each in done:
                each.result()
            small.until_drained()
    assert len(small.acknowledged) == PRODUCERS * count
    assert small.problems(caught_up=True) == []


def test_payloads_beyond_the_buffer_go_to_the_store_first(
    private_server: Starter, namespace: str, tmp_path: Path
) -> None:
    limit = 5 * PAYLOAD
    small = SmallStore(private_server(), namespace, tmp_path / "p", payload_buffer_bytes=limit)
    with ThreadPoolExecutor(PRODUCERS) as pool:
        list(pool.map(lambda session: small.produce(session, 10), SESSIONS))
    assert small.refused == []
    assert 0 < small.meta("payload_bytes") <= limit
    assert small.problems(caught_up=False) == []
    with running(small.settings, known_groups()):
        small.until_drained()
    assert small.meta("stored:digest") > small.meta("stored:file") > 0
    assert small.problems(caught_up=True) == []


def test_a_large_payload_that_is_refused_is_not_in_the_store_either(
    small: SmallStore, tmp_path: Path
) -> None:
    items = drafts("s", 1, os.urandom(500_000))
    with EventStore(small.settings) as store:
        small.leave_room(-MIB // 4)
        with pytest.raises(StoreFull):
            store.append("s", items)
        assert [path for path in (tmp_path / "p").rglob("*") if path.is_file()] == []
        small.leave_room(0)
        small.append(store, "s", items)
        [keys] = store.parts.log.partitions
        with small.client() as client:
            # Asking whether the server takes writes has left no buffer behind.
            assert client.exists(keys.payload(items[0].event.ref)) == 0
    with running(small.settings, known_groups()):
        small.until_drained()
    assert small.problems(caught_up=True) == []


def test_a_lost_reply_and_then_a_full_server_leave_it_open_whether_it_was_written(
    private_server: Starter, namespace: str, tmp_path: Path
) -> None:
    server = private_server()
    settings = make_settings(server, namespace)
    items = [artifact("s", os.urandom(100_000))]
    with (
        LossyProxy(server.socket_path) as proxy,
        server.client() as client,
        EventStore(proxy.settings(settings)) as store,
    ):
        store.append("s", [artifact("s")])
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + 50_000)
        proxy.lose_reply("append")
        with pytest.raises(StoreUnreachable, match=r"written is unknown: .* at maxmemory"):
            store.append("s", items)
        assert proxy.lost == 1
        with pytest.raises(StoreFull):
            store.append("s", items)
        client.config_set("maxmemory", 0)
        assert store.append("s", items)[0].seq == 1
        assert len(store.read("s")) == 2
