"""Of two histories the one that an operator chooses; what the other had is kept."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from support.artifacts import artifacts
from support.consuming import at, running, until_caught_up
from support.losing import SESSIONS, Site, hidden, places

from consumers.working.groups import known_groups
from eventstore.errors import InvalidInput, Poisoned, RepairRefused, TwoHistories
from eventstore.journal_format import encode_segment
from eventstore.keys import Keys
from eventstore.store import AsyncEventStore, EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.opening.repairing import Keep, Repaired


@pytest.fixture
def site(private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path) -> Site:
    site = Site(private_server, namespace, tmp_path)
    site.tell(*SESSIONS)
    site.consume()
    return site


@pytest.fixture
def parted(site: Site) -> Site:
    """Log and journal are two histories in the partition of "a": 3 events, and 16."""
    site.mark()
    site.tell("a:journalled")
    with site.open() as store:
        store.append("a", artifacts("a", 4))
    site.consume("journal", "payloads")
    site.lose()
    with hidden(site.root), site.open() as store:
        store.append("a", artifacts("a", 3))
    site.server.restart()
    with pytest.raises(TwoHistories):
        site.open()
    return site


def examine(site: Site) -> dict[int, str]:
    """Return the verdict on each partition."""
    with EventStore(site.settings) as store:
        return {each.keys.partition: each.verdict for each in store.examine()}


def choose(site: Site, keep: Keep, partition: int | None = None) -> Repaired:
    with EventStore(site.settings) as store:
        return store.repair(keep, partition)


def lost_refs(site: Site, repaired: Repaired) -> list[str]:
    """Return the refs of all events that a repair kept aside, in their order."""
    found = []
    for each in repaired.partitions:
        for name in each.lost_files:
            if name.endswith(".ndjson.gz") and "foreign" not in name:
                lines = gzip.decompress((site.root / name).read_bytes()).splitlines()
                found += [json.loads(line)["ref"] for line in lines]
    return found


def log_of(site: Site) -> list[str]:
    """Return the refs of the log as it is, of a store that may be closed."""
    refs = []
    with site.server.client() as client:
        for partition in (0, 1):
            entries: Any = client.xrange(Keys(site.settings.store.namespace, partition).stream)
            refs += [fields[b"ref"].decode() for _, fields in entries]
    return refs


def problems_of(site: Site) -> list[str]:
    """Return what the check of the store finds, but for the files of events that are kept aside."""
    stranger = re.compile(r"file (lost/|artifacts/).* belongs to no event")
    return [each for each in site.problems() if not stranger.fullmatch(each)]


def journal_of(site: Site) -> list[str]:
    refs = []
    for file in sorted((site.root / "journal").rglob("*.ndjson.gz")):
        refs += [
            json.loads(line)["ref"] for line in gzip.decompress(file.read_bytes()).splitlines()
        ]
    return refs


class TestStream:
    def test_the_journal_becomes_what_the_log_is(self, parted: Site) -> None:
        log, journalled = log_of(parted), journal_of(parted)
        repaired = choose(parted, "stream")
        assert repaired.problem is None
        only_journalled = [ref for ref in journalled if ref not in log]
        assert sorted(lost_refs(parted, repaired)) == sorted(only_journalled)
        assert sum(each.lost_events for each in repaired.partitions) == len(only_journalled)
        assert [event.event.ref for event in parted.log()] == log
        parted.consume()
        assert set(journal_of(parted)) == set(log)
        with parted.open() as store:
            assert store.append("a", artifacts("a", 1))
        parted.consume()
        assert problems_of(parted) == []

    def test_a_segment_that_both_share_in_part_is_cut_there(self, site: Site) -> None:
        with site.open() as store:
            partition = store.parts.log.keys_of("a").partition
            head = store.head()[partition]
            rows = store.append("a", artifacts("a", 6))
        site.consume("journal")
        journal = site.journal
        entries = [
            entry
            for segment in journal.segments(partition)
            for entry in journal.read(partition, segment)
        ]
        shared = entries[head.position : head.position + 3]
        _, values = entries[head.position + 3]
        foreign = [*values[:-1], b"f" * 16]
        segment, data = encode_segment([*shared, (entries[head.position + 3][0], foreign)])
        for each in journal.segments(partition):
            if each.last > head.position:
                journal.replace(partition, each, [])
        path = f"journal/{journal.store}/{partition}/{segment.name}"
        (site.root / path).write_bytes(data)
        assert examine(site)[partition] == "differs"
        [repaired] = choose(site, "stream").partitions
        assert (repaired.common, repaired.lost_events) == (head.position + 3, 1)
        assert journal.end(partition).position == rows[-1].position
        site.server.restart()
        with site.open() as store:
            assert store.read("a")[-1].position == rows[-1].position
        site.consume()
        assert problems_of(site) == []


class TestJournal:
    def test_the_log_becomes_what_the_journal_is(self, parted: Site) -> None:
        log, journalled = log_of(parted), journal_of(parted)
        repaired = choose(parted, "journal")
        assert repaired.problem is None
        only_logged = [ref for ref in log if ref not in journalled]
        assert lost_refs(parted, repaired) == only_logged
        assert len(only_logged) == 3
        assert sorted(log_of(parted)) == sorted(journalled)
        # Their payloads had been in the server alone.
        files = [name for each in repaired.partitions for name in each.lost_files]
        payloads = [name for name in files if "/payloads/" in name]
        assert {name.rpartition("/")[2].partition(".")[0] for name in payloads} == set(only_logged)
        assert all((parted.root / name).stat().st_size for name in files)
        with parted.server.client() as client:
            for ref in only_logged:
                assert not any(client.scan_iter(match=f"*payload:{ref}"))
        parted.consume()
        assert problems_of(parted) == []

    def test_groups_that_consumed_the_other_history_begin_anew(self, site: Site) -> None:
        site.mark()
        with site.open() as store:
            store.append("a", artifacts("a", 4))
        site.consume("journal", "payloads")
        site.lose()
        with hidden(site.root):
            with site.open() as store, running(site.settings, known_groups()):
                store.append("a", artifacts("a", 9))
                for group in ("index", "timeline", "branch", "evaluation", "payloads"):
                    until_caught_up(store, group)
            (site.root / "journal").rename(site.root / "theirs")
        site.server.restart()
        choose(site, "journal")
        site.consume()
        assert site.digests()
        with site.open() as store:
            assert [at(store, "index", p).generation for p in (0, 1)] == [1, 2]
        shutil.rmtree(site.root / "theirs")
        assert problems_of(site) == []


class TestPoisoned:
    def test_a_foreign_entry_is_kept_aside_and_nothing_else_is_lost(self, site: Site) -> None:
        keys = Keys(site.settings.store.namespace, 1)
        with site.open() as store:
            store.append("a", artifacts("a", 3))
        before = site.log()
        with site.server.client() as client:
            client.xadd(keys.stream, {"a": "b"})
        with site.open() as store, pytest.raises(Poisoned, match="log verify"):
            store.append("a", artifacts("a", 1))
        assert examine(site)[1] == "poisoned"
        with pytest.raises(RepairRefused, match="the stream alone is no log"):
            choose(site, "stream")
        [repaired] = choose(site, "journal").partitions
        assert repaired.lost_events == 0
        [name] = repaired.lost_files
        assert "foreign" in name
        assert site.log() == before
        with site.open() as store:
            assert store.append("a", artifacts("a", 1))
        site.consume()

    @pytest.mark.parametrize("key", ["meta", "stream", "refs", "sessions"])
    def test_a_key_that_is_gone_comes_back(self, site: Site, key: str) -> None:
        keys = Keys(site.settings.store.namespace, 1)
        before = site.log()
        with site.server.client() as client:
            client.unlink(getattr(keys, key))
        site.server.restart()
        with pytest.raises(Poisoned, match="eventstore repair"):
            site.open()
        assert examine(site) == {0: "sealed", 1: "poisoned"}
        assert choose(site, "journal").problem is None
        assert site.log() == before
        site.consume()
        assert site.problems() == []

    def test_without_a_journal_the_stream_is_what_there_is(self, site: Site) -> None:
        keys = Keys(site.settings.store.namespace, 1)
        before = site.log()
        with site.server.client() as client:
            client.unlink(keys.meta)
        (site.root / "journal").rename(site.root / "aside")
        site.server.restart()
        choose(site, "journal")
        assert site.log() == before

    def test_a_partition_that_is_gone_and_not_journalled_is_accepted_so(
        self, private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
    ) -> None:
        site = Site(private_server, namespace, tmp_path)
        with site.open() as store:
            store.append("a", artifacts("a", 3))
        with site.server.client() as client:
            for key in list(client.scan_iter(match=Keys(namespace, 1).prefix + "*")):
                client.unlink(key)
        assert examine(site) == {0: "well", 1: "gone"}
        assert choose(site, "journal").problem is None
        with site.open() as store:
            assert store.read("a") == []
            assert store.append("a", artifacts("a", 1))[0].position == 1


class TestRefusals:
    def test_nothing_to_choose(self, site: Site) -> None:
        before = site.log()
        for keep in ("stream", "journal"):
            with pytest.raises(RepairRefused, match="there is nothing to choose"):
                choose(site, keep)
        assert examine(site) == {0: "well", 1: "well"}
        assert site.log() == before

    def test_a_tail_that_the_next_open_puts_back(self, site: Site) -> None:
        site.mark()
        with site.open() as store:
            store.append("a", artifacts("a", 4))
        site.consume("journal")
        site.lose()
        assert examine(site)[1] == "lost"
        with pytest.raises(RepairRefused, match="the next open puts back"):
            choose(site, "stream")

    def test_a_journal_that_is_not_whole_makes_no_log(self, parted: Site) -> None:
        log = log_of(parted)
        first = min((parted.root / "journal").rglob("*/1/*.ndjson.gz"))
        first.unlink()
        with pytest.raises(RepairRefused, match="the journal is not whole"):
            choose(parted, "journal")
        assert log_of(parted) == log

    def test_a_partition_that_is_none(self, parted: Site) -> None:
        with pytest.raises(InvalidInput, match="counted from 0; 2 is none"):
            choose(parted, "stream", 2)
        with pytest.raises(RepairRefused):
            choose(parted, "stream", 0)
        assert choose(parted, "stream", 1).problem is None


@pytest.mark.anyio
async def test_in_asyncio(parted: Site) -> None:
    async with AsyncEventStore(parted.settings) as store:
        assert {each.verdict for each in await store.examine()} == {"differs", "sealed"}
        repaired = await store.repair("journal")
        assert repaired.problem is None
        assert (await store.append("a", artifacts("a", 1)))[0].position
    assert places(parted.log())
