"""Workers that were frozen, and servers that lost a tail: no event twice, none left out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.artifacts import artifacts
from support.consuming import (
    assert_each_once,
    at,
    effects,
    publish,
    running,
    until_caught_up,
)
from support.payloads import with_payloads
from support.proxy import LossyProxy
from support.stores import make_settings, open_store
from support.wait import until
from support.worker_process import worker_process

from consumers.working.groups import select_groups
from eventstore.consuming.apply import Applied, apply_call
from eventstore.flow import call
from eventstore.store import EventStore
from eventstore.views import START, Checkpoint
from projections.base import Write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.codec import Recorded


@pytest.mark.parametrize("successor", ["lives", "is gone"])
def test_a_worker_frozen_past_its_lease_does_nothing_twice(
    server: PrivateServer, namespace: str, tmp_path: Path, successor: str
) -> None:
    settings = make_settings(server, namespace, lease_seconds=0.2)
    with open_store(server, namespace) as store, worker_process(settings, tmp_path) as zombie:
        refs = publish(store, "s", 50)
        until_caught_up(store)
        zombie.hold()
        refs += publish(store, "s", 50)
        zombie.until_holding()
        zombie.freeze()
        with running(settings):
            # Past the end of the batch in the frozen hand, which is then neither new nor done.
            refs += publish(store, "s", 30)
            until_caught_up(store)
            assert at(store).position == 130
            if successor == "lives":
                zombie.let_go()
                zombie.thaw()
                refs += publish(store, "s", 50)
                until_caught_up(store)
        if successor == "is gone":
            # Nobody holds the lease: the thawed worker gets it again, with a batch in hand.
            zombie.let_go()
            zombie.thaw()
        refs += publish(store, "s", 50)
        until_caught_up(store)
        assert_each_once(store, "s", refs)
        assert zombie.stop() == 0


class Promotion:
    """A primary and its replica; `promote` loses what the replica had not heard."""

    def __init__(self, start: Callable[..., PrivateServer]) -> None:
        self.primary = start(tcp=True)
        self.replica = start("--replicaof", f"127.0.0.1 {self.primary.port}", tcp=True)
        until(self._in_step, what="the replica in step")

    def disconnect(self) -> None:
        """Let the replica hear nothing more, once it has heard all so far."""
        until(self._in_step, what="the replica in step")
        with self.replica.client() as client:
            client.replicaof("127.0.0.1", 1)

    def promote(self) -> PrivateServer:
        """Lose the primary and make the replica one."""
        self.primary.kill()
        with self.replica.client() as client:
            client.replicaof("NO", "ONE")
        return self.replica

    def _in_step(self) -> bool:
        with self.primary.client() as primary, self.replica.client() as replica:
            found, sent = replica.info("replication"), primary.info("replication")
        up: bool = found.get("master_link_status") == "up"
        return up and int(found["slave_repl_offset"]) == int(sent["master_repl_offset"])


def test_a_promoted_replica_without_the_tail_is_consumed_from_where_it_is(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    pair = Promotion(private_server)
    settings = make_settings(pair.primary, namespace, lease_seconds=1)
    with LossyProxy(pair.primary.socket_path) as proxy, running(proxy.settings(settings)):
        with open_store(pair.primary, namespace) as store:
            kept = publish(store, "s", 100)
            until_caught_up(store)
            pair.disconnect()
            lost = publish(store, "s", 50)
            # The worker's cursor is now ahead of all that the replica has.
            until_caught_up(store)
            assert at(store).position == 150
        proxy.upstream = pair.promote().socket_path
        proxy.cut()
        with open_store(pair.replica, namespace) as store:
            assert at(store).position == 100
            after = publish(store, "s", 80)
            until_caught_up(store)
            assert at(store).position == 180
            assert_each_once(store, "s", kept + after)
            assert not {ref.encode() for ref in lost} & set(effects(store, "s"))


def test_a_batch_read_before_a_failover_is_not_applied_after_it(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> None:
    pair = Promotion(private_server)
    settings = make_settings(pair.primary, namespace, lease_seconds=1)
    with (
        LossyProxy(pair.primary.socket_path) as proxy,
        worker_process(proxy.settings(settings), tmp_path) as worker,
    ):
        with open_store(pair.primary, namespace) as store:
            kept = publish(store, "s", 100)
            until_caught_up(store)
            pair.disconnect()
            worker.hold()
            lost = publish(store, "s", 50)
            worker.until_holding()
        proxy.upstream = pair.promote().socket_path
        with open_store(pair.replica, namespace) as store:
            after = publish(store, "s", 80)
            proxy.cut()
            worker.let_go()
            until_caught_up(store)
            assert_each_once(store, "s", kept + after)
            assert not {ref.encode() for ref in lost} & set(effects(store, "s"))
        assert worker.stop() == 0


def test_the_script_alone_refuses_what_was_read_from_another_history(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    # A worker looks at the new server before it goes on; here nothing but the script decides.
    pair = Promotion(private_server)
    with open_store(pair.primary, namespace) as store:
        publish(store, "s", 100)
        with pair.primary.client() as client:
            client.set(store.parts.log.partitions[0].lease("counting"), "token:4")
        common = checkpoint_of(store.read("s")[99])
        assert apply(store, START, common) == Applied("ok")
        pair.disconnect()
        publish(store, "s", 50)
        lost = checkpoint_of(store.read("s")[149])
    pair.promote()
    with open_store(pair.replica, namespace) as store:
        publish(store, "s", 80)
        now = store.read("s")
        found = checkpoint_of(now[149])
        assert apply(store, common, lost) == Applied("diverged", found.chain)
        assert apply(store, lost, checkpoint_of(now[159])) == Applied("moved", str(common))
        assert at(store) == common
        assert effects(store, "s") == {b"n": b"1"}
        assert apply(store, common, found) == Applied("ok")


def apply(store: EventStore, before: Checkpoint, after: Checkpoint) -> Applied:
    """Apply a batch of one count."""
    [keys] = store.parts.log.partitions
    writes = [Write("HINCRBY", keys.projection().index("s"), ("n", 1))]
    return store.reading(lambda: call(apply_call(keys, "counting", "token", before, after, writes)))


def checkpoint_of(event: Recorded) -> Checkpoint:
    """Return the checkpoint of a group that has passed an event."""
    return Checkpoint(1, event.position, event.chain)


def test_the_tail_that_a_promoted_replica_lacks_comes_back_before_anybody_appends(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> None:
    pair = Promotion(private_server)
    settings = make_settings(pair.primary, namespace, partitions=2, lease_seconds=0.5)
    settings = with_payloads(settings, tmp_path / "p")
    with ExitStack() as producers, LossyProxy(pair.primary.socket_path) as proxy:
        stores = [producers.enter_context(EventStore(proxy.settings(settings))) for _ in range(6)]
        for store in stores:
            store.append("a", artifacts("a", 5))
            store.append("d", artifacts("d", 5))
        pair.disconnect()
        for store in stores:
            store.append("a", artifacts("a", 3))
            store.append("d", artifacts("d", 3))
        with running(settings, select_groups(["journal", "payloads"])):
            until_caught_up(stores[0], "journal")
            until_caught_up(stores[0], "payloads")
        before = everything(stores[0])
        proxy.upstream = pair.promote().socket_path
        proxy.cut()
        # Nobody looks at the new server first: each of them reconnects within its append.
        with ThreadPoolExecutor() as threads:
            told = list(threads.map(lambda store: store.append("a", artifacts("a", 2)), stores))
        readded = [each for store in stores for each in store.open().readded]
        assert sorted((each.partition, each.events) for each in readded) == [(0, 18), (1, 18)]
        assert [each.missing_payloads for each in readded] == [0, 0]
        after = everything(stores[-1])
    for partition in (0, 1):
        assert after[partition][: len(before[partition])] == before[partition]
        assert [each.position for each in after[partition]] == [
            *range(1, len(after[partition]) + 1)
        ]
    (busy,) = {each.partition for each in after[0] + after[1] if each.event.session_id == "a"}
    new = {each.event.ref: each.position for each in after[busy][len(before[busy]) :]}
    assert new == {row.ref: row.position for rows in told for row in rows}


def everything(store: EventStore) -> list[list[Recorded]]:
    """Return every event of both partitions."""
    return [list(store.read_all(partition)) for partition in (0, 1)]
