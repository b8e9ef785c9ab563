"""A rebuild makes a read model anew beside the live one, and leaves nothing else changed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support.applying import apply_all
from support.consuming import Counting, counting_groups, publish, running, until_caught_up
from support.rebuilding import INDEX, Site, rebuild, told
from support.stores import make_settings, open_store
from support.worker_process import worker_process

from consumers.rebuild.run import Stage, Step
from consumers.working.groups import known_groups
from eventstore.bus import EventBus
from eventstore.errors import InvalidInput
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.store import EventStore


@pytest.fixture
def site(server: PrivateServer, namespace: str) -> Iterator[Site]:
    with told(server, namespace) as site:
        yield site


@pytest.mark.parametrize(("kind", "partitions"), [("server", 1), ("cluster_server", 4)])
def test_a_rebuild_beside_workers_and_producers_is_equal_to_the_log(
    request: pytest.FixtureRequest, namespace: str, kind: str, partitions: int
) -> None:
    done = threading.Event()

    def produce(store: EventStore) -> None:
        count = 0
        while not done.wait(0.01):
            publish(store, f"later{count % 5}", 7)
            count += 1

    with (
        told(request.getfixturevalue(kind), namespace, partitions, sessions=6) as site,
        running(site.settings, known_groups()),
    ):
        producer = threading.Thread(target=produce, args=(site.store,))
        producer.start()
        try:
            found = {each.name: site.rebuild(each) for each in PROJECTIONS}
        finally:
            done.set()
            producer.join()
        for name, reports in found.items():
            until_caught_up(site.store, name)
            assert [each.partition for each in reports] == list(range(partitions))
            assert all(each.verified.is_equal and each.generation == 2 for each in reports)
            assert site.generations(name) == [2] * partitions
        shown = EventBus(site.store).search("s1", tag="t:1")
        assert [header["meta"]["n"] for header, _ in shown] == [5, 4, 3, 2, 1, 0]
        for partition in range(partitions):
            assert set(site.checkpoints(partition)) == set(known_groups())
            assert not any(site.written(1, each, partition) for each in PROJECTIONS)


def test_a_rebuild_changes_its_own_projection_and_nothing_else(site: Site) -> None:
    before, shown, old = site.everything(), site.checkpoints(), site.written(1)
    (done,) = site.rebuild()
    after, new = site.everything(), site.written(2)
    assert (done.keys_dropped, done.events, done.resumed) == (len(old), site.head, False)
    changed = old | new | {site.keys.checkpoints}
    assert before.keys() - changed == after.keys() - changed
    assert all(before[key] == after[key] for key in before.keys() - changed)
    assert len(new) == len(old)
    assert site.checkpoints() == shown | {"index": shown["index"].replace("1:", "2:", 1)}


def test_generations_rise_with_every_rebuild(site: Site) -> None:
    for generation in (2, 3, 4):
        (done,) = site.rebuild()
        assert (done.generation, done.verified.is_equal) == (generation, True)
        assert [n for n in range(1, 6) if site.written(n)] == [generation]


def test_a_group_that_consumed_nothing_begins_in_the_new_generation(
    server: PrivateServer, namespace: str
) -> None:
    with told(server, namespace) as site:
        site.client.hdel(site.keys.checkpoints, "index")
        site.client.unlink(*site.written(1))
        (done,) = site.rebuild()
        assert (done.generation, done.events, done.verified.position) == (2, 0, 0)
        with running(site.settings, known_groups()):
            until_caught_up(site.store, "index")
        assert site.generations() == [2]
        (again,) = site.rebuild()
        assert (again.verified.is_equal, again.events) == (True, site.head)


def test_an_owner_that_holds_a_batch_cannot_write_after_the_switch(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    with (
        told(server, namespace, sessions=0) as site,
        worker_process(site.settings, tmp_path) as worker,
    ):
        refs = publish(site.store, "s", 30)
        until_caught_up(site.store)
        worker.hold()
        refs += publish(site.store, "s", 20)
        worker.until_holding()
        (done,) = site.rebuild(Counting())
        assert done.verified.is_equal
        worker.let_go()
        until_caught_up(site.store)
        assert site.generations("counting") == [2]
        assert not site.written(1, Counting())
        found = site.client.hgetall(site.keys.projection(2).index("s"))
        assert {ref: found[ref.encode()] for ref in refs} == dict.fromkeys(refs, b"1")
        assert found[b"n"] == b"50"


class Racing:
    """A live group that gets on by one event whenever the rebuild has folded a batch."""

    def __init__(self, site: Site) -> None:
        self.fenced = 0
        self.moves = 0
        self._site = site
        site.client.set(site.keys.lease("index"), "racer:0")

    def report(self, step: Step) -> None:
        if step.stage is not Stage.BUILD:
            return
        client, lease = self._site.client, self._site.keys.lease("index")
        if client.get(lease) != b"racer:0":
            self.fenced += 1
            return
        self.moves += 1
        publish(self._site.store, "s", 1)
        apply_all(self._site.store, [INDEX])
        client.set(lease, "racer:0")


def test_a_group_that_never_stands_still_is_made_to(site: Site) -> None:
    """Every round ends with the live group one event ahead; the rebuild ends all the same."""
    racing = Racing(site)
    (done,) = site.rebuild(INDEX, racing.report)
    assert done.verified.is_equal
    assert done.verified.position == site.head
    assert (racing.moves, racing.fenced) == (20, 1)
    assert site.client.get(site.keys.lease("index")) is None


def test_a_worker_goes_on_after_its_lease_was_seized(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.rebuild.build._ROUNDS", 0)
    with running(site.settings, known_groups()):
        for _ in range(3):
            (done,) = site.rebuild()
            assert done.verified.is_equal
            publish(site.store, "s", 10)
            until_caught_up(site.store, "index")
    assert site.generations() == [4]


def test_one_partition_is_rebuilt_alone(server: PrivateServer, namespace: str) -> None:
    with told(server, namespace, 4, sessions=12) as site:
        (done,) = site.rebuild(partition=1)
        assert (done.partition, done.generation, done.verified.is_equal) == (1, 2, True)
        assert site.generations() == [1, 2, 1, 1]
        assert {each.generation for each in site.rebuild()} == {3}
        with pytest.raises(InvalidInput, match="there are 4, counted from 0; 4 is none"):
            site.rebuild(partition=4)


def test_a_fault_in_the_result_is_found(site: Site) -> None:
    def damage(step: Step) -> None:
        if step.stage is Stage.VERIFY:
            site.client.hset(site.keys.projection(2).index("s0"), "f" * 32, "{}")

    (done,) = site.rebuild(INDEX, damage)
    assert (done.verified.is_equal, done.verified.keys_differing) == (False, 1)


def test_checkpoints_of_like_names_are_left_alone(site: Site) -> None:
    """`index@…` are fields of `index`; groups `index2` or `b@g9` have nothing to do with it."""
    others = {"index2": f"1:1:{'a' * 16}", "b@g9": f"9:0:{'0' * 16}"}
    for name, value in others.items():
        site.client.hset(site.keys.checkpoints, name, value)
    (done,) = site.rebuild()
    assert done.generation == 2
    assert others.items() <= site.checkpoints().items()


def test_a_name_with_odd_signs_is_rebuilt(server: PrivateServer, namespace: str) -> None:
    settings, odd = make_settings(server, namespace, lease_seconds=0.3), "a: {b}@"
    with open_store(server, namespace) as store, running(settings, counting_groups(odd)):
        publish(store, "s", 20)
        until_caught_up(store, odd)
        (done,) = rebuild(settings, Counting(odd))
        assert (done.generation, done.verified.is_equal) == (2, True)
        publish(store, "s", 20)
        until_caught_up(store, odd)
