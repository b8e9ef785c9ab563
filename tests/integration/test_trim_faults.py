"""Trimming trusts nothing but what it reads, and what was trimmed is never silently missing."""

from __future__ import annotations

import shutil
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from support.consuming import publish
from support.stores import make_settings
from support.trim_site import COUNT, Site
from support.trimming import GROUPS, keep, left, stream, trim, write_journal

from consumers.trimming.trim import Trimmer
from eventstore.errors import (
    ArtifactNotFound,
    Diverged,
    IndexDamaged,
    JournalDamaged,
    PayloadStoreError,
    Poisoned,
    Sealed,
)
from eventstore.journal import START, Journal
from eventstore.journal_index import JournalIndex
from eventstore.journal_index_format import encode_run
from eventstore.refs import derived_ref
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis
    from support.server import PrivateServer


@pytest.fixture
def site(server: PrivateServer, namespace: str, tmp_path: Path) -> Iterator[Site]:
    site = Site(server, namespace, tmp_path / "root")
    yield site
    site.store.close()


class TestWhatIsTrimmed:
    def test_nothing_of_a_segment_that_is_gone_whatever_the_checkpoint_says(
        self, site: Site, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [10, 20, COUNT])
        site.segment(11).unlink()
        with pytest.raises(JournalDamaged, match="position 11"):
            trim(site.store, keep(1))
        assert left(redis_client, site.keys)[0] == list(range(1, COUNT + 1))

    def test_nothing_of_a_segment_that_is_cut(self, site: Site, redis_client: redis.Redis) -> None:
        site.fill(redis_client, [10, 20, COUNT])
        data = site.segment(1).read_bytes()
        site.segment(1).write_bytes(data[:-9])
        with pytest.raises(JournalDamaged, match="cannot be read"):
            trim(site.store, keep(1))
        assert left(redis_client, site.keys)[0] == list(range(1, COUNT + 1))

    def test_nothing_beyond_what_storage_has_though_the_group_passed_it(
        self, site: Site, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [10])
        found = trim(site.store, keep(1))
        assert (found.events, found.journalled) == (9, 10)

    def test_nothing_without_a_journal_or_without_a_rule(
        self, site: Site, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [])
        assert trim(site.store, keep(1)).events == 0
        write_journal(site.store, [COUNT])
        assert trim(site.store, keep()).events == 0
        assert trim(site.store, keep(1)).events == COUNT - 1

    def test_nothing_of_another_history(
        self, site: Site, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [])
        with EventStore(make_settings(server, f"{namespace}-other")) as other:
            publish(other, "a", COUNT)
            foreign = stream(other)
        Journal(site.store.parts.payloads, site.store.open().uuid).extend(0, START, foreign)
        with pytest.raises(Diverged, match="nothing was trimmed"):
            trim(site.store, keep(1))
        assert left(redis_client, site.keys)[0] == list(range(1, COUNT + 1))
        assert site.runs() == []

    def test_nothing_on_an_instance_that_is_sealed(
        self, site: Site, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [COUNT])
        redis_client.hset(site.keys.meta, "epoch", 99)
        log = site.store.parts.log
        trimmer = Trimmer(log, site.store.parts.payloads, keep(1), GROUPS)
        with pytest.raises(Sealed, match="epoch 99"):
            site.store.runner.run(trimmer.trim(log.partitions[0]))
        assert left(redis_client, site.keys)[0] == list(range(1, COUNT + 1))

    def test_no_more_than_asked_and_no_less(self, site: Site, redis_client: redis.Redis) -> None:
        site.fill(redis_client, [COUNT])
        assert trim(site.store, keep(10), least=21).events == 0
        assert trim(site.store, keep(10), least=20).events == 20
        assert trim(site.store, keep(1), most=1).events == 9


class TestReading:
    def test_without_the_journal_what_was_trimmed_is_an_error_and_the_rest_is_read(
        self, site: Site, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [COUNT])
        trim(site.store, keep(5))
        log = site.store.read_all(0)
        # Another process, which remembers nothing of what it read.
        with EventStore(site.settings) as store:
            shutil.move(site.root, site.root.with_name("away"))
            for read in (
                lambda: store.read_all(0),
                lambda: store.read("a"),
                lambda: store.get(site.refs[0]),
            ):
                with pytest.raises(PayloadStoreError, match="not there"):
                    read()
            assert store.read_all(0, after=COUNT - 5) == log[-5:]
            assert store.get(site.refs[-1]) == log[-1]
            assert store.read("a", backwards=True, limit=2) == [log[-2], log[-4]]

    def test_a_segment_that_is_missing_is_named(
        self, site: Site, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [10, 20, COUNT])
        trim(site.store, keep(1))
        site.segment(11).unlink()
        with EventStore(site.settings) as store:
            with pytest.raises(JournalDamaged, match="position 11"):
                store.read_all(0)
            assert len(store.read_all(0, limit=10)) == 10
            assert len(store.read_all(0, after=20)) == COUNT - 20

    def test_another_history_in_the_journal_is_found_where_the_two_meet(
        self, site: Site, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [COUNT])
        trim(site.store, keep(5))
        with EventStore(make_settings(server, f"{namespace}-other")) as other:
            publish(other, "a", COUNT)
            foreign = stream(other)
        site.segment(1).unlink()
        Journal(site.store.parts.payloads, site.store.open().uuid).extend(0, START, foreign)
        with EventStore(site.settings) as store:
            with pytest.raises(Diverged, match="two histories"):
                store.read_all(0)
            with pytest.raises(Diverged, match="two histories"):
                store.read("a")

    def test_a_hole_further_on_is_not_filled_from_the_journal(
        self, site: Site, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [COUNT])
        trim(site.store, keep(10))
        redis_client.xdel(site.keys.stream, "0-25")
        with pytest.raises(Poisoned, match="position 25"):
            site.store.read_all(0)
        with pytest.raises(Poisoned, match="position 25"):
            site.store.get(site.refs[24])

    def test_a_lost_index_is_said_and_written_again(
        self, site: Site, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [COUNT])
        trim(site.store, keep(1))
        shutil.rmtree(site.folder("index"))
        with EventStore(site.settings) as store:
            for read in (lambda: store.get(site.refs[0]), lambda: store.read("a")):
                with pytest.raises(IndexDamaged, match="log trim"):
                    read()
            log = store.parts.log
            trimmer = Trimmer(log, store.parts.payloads, keep(1), GROUPS)
            store.reading(lambda: trimmer.complete(log.partitions[0]))
            assert store.get(site.refs[0]).position == 1
            assert len(store.read("a")) == COUNT / 2

    def test_an_index_that_is_damaged_is_said(self, site: Site, redis_client: redis.Redis) -> None:
        site.fill(redis_client, [COUNT])
        trim(site.store, keep(1))
        (run,) = site.runs()
        data = bytearray(run.read_bytes())
        data[-1] ^= 1
        run.write_bytes(data)
        with EventStore(site.settings) as store:
            with pytest.raises(IndexDamaged, match="checksum"):
                store.read("a")
            with pytest.raises(ArtifactNotFound):
                store.get(derived_ref("nothing"))


class TestIndex:
    def test_many_small_trims_leave_few_runs(self, site: Site, redis_client: redis.Redis) -> None:
        site.fill(redis_client, [COUNT])
        for kept in range(COUNT - 1, 0, -1):
            assert trim(site.store, keep(kept)).events == 1
        counts = [run.count for run, _ in _runs(site)]
        assert sum(counts) == COUNT - 1
        assert all(first > 2 * second for first, second in pairwise(counts))
        assert [site.store.get(ref).position for ref in site.refs] == list(range(1, COUNT + 1))

    def test_what_a_killed_trimmer_wrote_of_another_history_is_removed(
        self, site: Site, server: PrivateServer, namespace: str, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [COUNT])
        with EventStore(make_settings(server, f"{namespace}-other")) as other:
            refs = publish(other, "a", COUNT)
            foreign = stream(other)[:20]
        _write_run(site, foreign)
        assert trim(site.store, keep(1)).events == COUNT - 1
        assert len(site.runs()) == 1
        assert site.store.get(site.refs[0]).position == 1
        with pytest.raises(ArtifactNotFound):
            site.store.get(refs[0])

    def test_what_it_wrote_of_this_history_is_used(
        self, site: Site, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [COUNT])
        _write_run(site, stream(site.store)[:20])
        with pytest.raises(ArtifactNotFound):
            site.store.get(derived_ref("nothing"))
        assert trim(site.store, keep(15)).events == 15
        assert trim(site.store, keep(1)).events == 14
        assert [site.store.get(ref).position for ref in site.refs] == list(range(1, COUNT + 1))

    def test_a_reader_that_remembers_runs_that_were_merged_looks_again(
        self, site: Site, redis_client: redis.Redis
    ) -> None:
        site.fill(redis_client, [COUNT])
        trim(site.store, keep(20))
        with EventStore(site.settings) as store:
            assert store.get(site.refs[0]).position == 1
            trim(site.store, keep(12))
            assert store.get(site.refs[1]).position == 2
            assert store.get(site.refs[17]).position == 18


def _runs(site: Site) -> list[Any]:
    return JournalIndex(site.store.parts.payloads, site.store.open().uuid).runs(0)


def _write_run(site: Site, entries: list[Any]) -> None:
    run, data = encode_run([(entry_id, list(values)) for entry_id, values in entries])
    index = JournalIndex(site.store.parts.payloads, site.store.open().uuid)
    site.store.parts.payloads.files.put(index.path(0, run), data)
