"""A store that is gone from its server comes back from its journal, or another one begins."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.artifacts import artifact, artifacts
from support.consuming import publish, running, until_caught_up
from support.losing import SESSIONS, Site, places
from support.payloads import with_payloads
from support.stores import make_settings

from consumers.working.groups import known_groups
from eventstore.commands import Declined, append
from eventstore.errors import Diverged, InvalidInput, Poisoned, RepairRefused, WrongStore
from eventstore.flow import call
from eventstore.keys import Keys, partition_of
from eventstore.store import AsyncEventStore, EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from support.server import PrivateServer

    from eventstore.opening.restoring import Restored

    Starter: TypeAlias = Callable[..., PrivateServer]

PARTITION_OF_A = partition_of("a", 2)


@pytest.fixture
def site(private_server: Starter, namespace: str, tmp_path: Path) -> Site:
    return Site(private_server, namespace, tmp_path)


@pytest.fixture
def full(site: Site) -> Site:
    """A store with sessions in both partitions, all consumed and journalled."""
    site.tell(*SESSIONS, "b")
    site.consume()
    return site


def restore(site: Site, store: str | None = None) -> Restored:
    with EventStore(site.settings) as opened:
        return opened.restore(store)


class TestRestore:
    def test_all_that_was_journalled_comes_back_as_it_was(self, full: Site) -> None:
        log, digests, uuid = full.log(), full.digests(), full.journal.store
        full.lose_all()
        told: list[tuple[int, int, int]] = []
        with EventStore(full.settings) as store:
            restored = store.restore(None, lambda *at: told.append(at))
        assert restored.store == uuid
        assert sum(row.readded for row in restored.partitions) == len(log)
        assert [row.missing_payloads for row in restored.partitions] == [0, 0]
        for row in restored.partitions:
            of = [(at, goal) for partition, at, goal in told if partition == row.partition]
            assert (of[0][0], of[-1]) == (0, (row.position, row.position))
        assert full.log() == log
        full.consume()
        assert full.digests() == digests
        assert full.problems() == []

    @pytest.mark.anyio
    async def test_in_asyncio(self, full: Site) -> None:
        log = full.log()
        full.lose_all()
        async with AsyncEventStore(full.settings) as store:
            restored = await store.restore()
            assert sum(row.readded for row in restored.partitions) == len(log)
            assert len(await store.read("a")) == len([e for e in log if e.event.session_id == "a"])

    def test_payloads_that_were_in_the_server_alone_are_counted(self, full: Site) -> None:
        with full.open() as store:
            store.append("a", artifacts("a", 3))
        full.consume("journal")
        full.lose_all()
        assert sum(row.missing_payloads for row in restore(full).partitions) == 3
        full.consume()

    def test_producers_and_workers_that_were_there_go_on_afterwards(self, full: Site) -> None:
        with full.open() as producer, running(full.settings, known_groups()):
            (row,) = producer.append("a", artifacts("a", 1))
            until_caught_up(producer, "journal")
            until_caught_up(producer, "payloads")
            before = places(full.log())
            full.lose_all()
            with pytest.raises(Diverged, match=r"gone from the server.*eventstore restore"):
                producer.append("a", artifacts("a", 1))
            restore(full)
            (after,) = producer.append("a", artifacts("a", 1))
            assert after.position == row.position + 1
            assert places(full.log()).items() >= before.items()
            for group in known_groups():
                until_caught_up(producer, group)
        assert full.problems() == []

    def test_a_producer_of_before_appends_nothing_unseen(self, full: Site) -> None:
        # The server was emptied, not replaced: connections and run_id are what they were.
        with full.open() as stale:
            opened = stale.open()
            with full.server.client() as client:
                client.flushall()
            restore(full)
            keys = stale.parts.log.keys_of("a")
            sent = append(
                keys,
                "a",
                [artifact("a")],
                epoch=opened.epochs[keys.partition],
                buffer_limit=10**6,
                expect={},
                start={},
            )
            outcome = stale.runner.run(call(sent))
            assert isinstance(outcome, Declined)
            assert outcome.outcome == "stale"
            assert stale.append("a", artifacts("a", 1))


class TestRefusals:
    def test_an_empty_server_beside_a_journal_is_not_a_new_store(self, full: Site) -> None:
        full.lose_all()
        with pytest.raises(WrongStore, match=r"eventstore restore.*eventstore new"):
            full.open()
        with full.server.client() as client:
            assert client.dbsize() == 0

    def test_a_store_that_is_there_is_left(self, full: Site) -> None:
        before = full.log()
        with pytest.raises(RepairRefused, match=r"already, open and with \d+ events"):
            restore(full)
        assert full.log() == before

    def test_another_store_in_the_place_is_left(self, full: Site) -> None:
        uuid = full.journal.store
        full.lose_all()
        with EventStore(full.settings) as store:
            assert store.begin_anew().created
            publish(store, "a", 2)
        with pytest.raises(RepairRefused, match=f"events, not {uuid}"):
            restore(full)
        with full.open() as store:
            assert len(store.read("a")) == 2

    def test_keys_without_their_meta_are_left(self, full: Site) -> None:
        namespace = full.settings.store.namespace
        full.lose_all()
        with full.server.client() as client:
            client.hset(Keys(namespace, 1).refs, "a", "b")
        with pytest.raises(RepairRefused, match="partition 1 holds keys without their meta"):
            restore(full)
        with pytest.raises(Poisoned):
            full.open()

    def test_no_journal(self, site: Site) -> None:
        with pytest.raises(InvalidInput, match="has: none"):
            restore(site)
        with pytest.raises(InvalidInput, match=f"there is no journal of store {'f' * 32}"):
            restore(site, "f" * 32)

    def test_another_number_of_partitions(self, full: Site) -> None:
        full.lose_all()
        one = full.settings.store.model_copy(update={"partitions": 1})
        with (
            EventStore(full.settings.model_copy(update={"store": one})) as store,
            pytest.raises(WrongStore, match=r"has 2 partitions.*set store\.partitions to 2"),
        ):
            store.restore()
        with full.server.client() as client:
            assert client.dbsize() == 0

    def test_a_journal_that_does_not_say_its_number_of_partitions_is_looked_into(
        self, full: Site
    ) -> None:
        (full.root / "journal" / full.journal.store / "store.json").unlink()
        full.lose_all()
        three = full.settings.store.model_copy(update={"partitions": 3})
        with (
            EventStore(full.settings.model_copy(update={"store": three})) as store,
            pytest.raises(Exception, match=r"a session that lies in another one of 3 partitions"),
        ):
            store.restore()


class TestSeveralJournals:
    def test_a_store_of_another_namespace_in_the_same_place_is_none_of_this_one(
        self, full: Site
    ) -> None:
        other = make_settings(full.server, f"{full.settings.store.namespace}:2", 2)
        with EventStore(with_payloads(other, full.root)) as store:
            assert store.open().created
            with pytest.raises(InvalidInput, match="there is no journal of namespace"):
                store.restore()

    def test_of_two_one_has_to_be_named(self, full: Site) -> None:
        first, log = full.journal.store, full.log()
        full.lose_all()
        with EventStore(full.settings) as store:
            store.begin_anew()
            publish(store, "a", 2)
        full.consume("journal")
        second = full.journal.store
        full.lose_all()
        with pytest.raises(InvalidInput, match="there are several journals") as caught:
            restore(full)
        assert first in str(caught.value)
        assert second in str(caught.value)
        assert restore(full, first).store == first
        assert full.log() == log


class TestNew:
    def test_another_store_begins_beside_the_journal(self, full: Site) -> None:
        old = full.journal
        held = {p: old.end(p) for p in (0, 1)}
        full.lose_all()
        with EventStore(full.settings) as store:
            opened = store.begin_anew()
            assert opened.created
            assert opened.uuid != old.store
            publish(store, "a", 3)
        # The next instance is compared with the new store's own journal.
        full.server.restart()
        with full.open() as store:
            assert len(store.read("a")) == 3
        full.consume()
        assert {p: old.end(p) for p in (0, 1)} == held

    def test_a_store_that_is_there_goes_on(self, full: Site) -> None:
        before = full.log()
        with EventStore(full.settings) as store:
            opened = store.begin_anew()
            assert (opened.created, opened.uuid) == (False, full.journal.store)
        assert full.log() == before

    def test_a_store_beside_the_journal_of_another_has_to_be_told_so(self, full: Site) -> None:
        full.lose_all()
        aside = full.root.with_name("aside")
        full.root.rename(aside)
        with full.open() as store:
            publish(store, "a", 2)
        full.root.mkdir(exist_ok=True)
        (aside / "journal").rename(full.root / "journal")
        full.server.restart()
        with pytest.raises(WrongStore, match=r"holds store [0-9a-f]{32}.*eventstore new"):
            full.open()
        with EventStore(full.settings) as store:
            assert not store.begin_anew().created
        with full.open() as store:
            assert len(store.read("a")) == 2


class TestPartOfAStore:
    def test_a_partition_that_is_gone_comes_back_from_the_journal(self, full: Site) -> None:
        log, digests = full.log(), full.digests()
        keys = Keys(full.settings.store.namespace, 1)
        with full.server.client() as client:
            for key in list(client.scan_iter(match=keys.prefix + "*")):
                client.unlink(key)
        with full.open() as store:
            assert [each.partition for each in store.open().readded] == [1]
        assert full.log() == log
        full.consume()
        assert full.digests() == digests
        assert full.problems() == []


def test_who_appends_meanwhile_waits_for_the_restore(full: Site) -> None:
    log = full.log()
    full.lose_all()
    rows: list[Any] = []
    with EventStore(full.settings) as store, EventStore(full.settings) as producer:
        thread = threading.Thread(target=lambda: rows.extend(producer.append("a", [artifact("a")])))

        def look(partition: int, at: int, goal: int) -> None:
            if not thread.ident:
                thread.start()

        store.restore(None, look)
        thread.join()
    [row] = rows
    now = full.log()
    assert [each for each in now if each.event.ref != row.ref] == log
    assert row.position == max(each.position for each in now if each.partition == PARTITION_OF_A)
