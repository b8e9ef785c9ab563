"""A server that was replaced is compared with the journal before it takes appends.

What it lost and the journal holds comes back at its positions; where they are two histories it
stays sealed; what even the journal cannot prove is said.
"""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.artifacts import artifact, artifacts
from support.cutting import Steps
from support.losing import SESSIONS, Site, hidden, places

from eventstore.errors import (
    Diverged,
    PayloadMissing,
    PayloadStoreError,
    TwoHistories,
)
from eventstore.keys import Keys
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from support.server import PrivateServer

    Starter: TypeAlias = Callable[..., PrivateServer]

# More steps than an open has.
MANY = 500


@pytest.fixture
def site(private_server: Starter, namespace: str, tmp_path: Path) -> Site:
    return Site(private_server, namespace, tmp_path)


class TestWithin:
    """The journal ends within the log, in the same history."""

    def test_a_restart_that_lost_nothing(self, site: Site) -> None:
        site.tell(*SESSIONS)
        site.consume()
        before = site.log()
        site.server.restart()
        with site.open() as store:
            assert store.open().readded == ()
        assert site.log() == before
        assert site.problems() == []

    def test_events_beyond_the_journal_are_kept_and_what_is_unproven_is_said(
        self, site: Site
    ) -> None:
        site.tell("a")
        site.consume()
        with site.open() as store:
            store.append("a", artifacts("a", 3))
        before = site.log()
        site.server.restart()
        with site.open() as store:
            (line,) = store.open().unproven
            assert f"it holds {len(before)} events, the journal {len(before) - 3}" in line
        assert site.log() == before

    def test_segments_that_are_gone_are_said(self, site: Site) -> None:
        site.tell("a")
        site.consume()
        shutil.rmtree(site.root / "journal")
        site.server.restart()
        with site.open() as store:
            assert any("segments are missing" in line for line in store.open().unproven)

    def test_a_journal_that_cannot_be_looked_at_proves_nothing(self, site: Site) -> None:
        site.tell("a")
        site.consume()
        site.root.rename(site.root.with_name("aside"))
        site.server.restart()
        with pytest.raises(PayloadStoreError):
            site.open()
        site.root.with_name("aside").rename(site.root)
        with site.open() as store:
            assert store.append("a", artifacts("a", 1))


class TestBeyond:
    """The journal goes on where the log ends."""

    def test_a_lost_tail_comes_back_at_its_positions(self, site: Site) -> None:
        site.tell(*SESSIONS)
        site.consume()
        site.mark()
        site.tell("b", "c", *(f"{name}:2" for name in SESSIONS))
        site.consume()
        before, heads = site.log(), self._heads(site)
        site.lose()
        with site.open() as store:
            found = store.open().readded
            assert sum(each.events for each in found) > 50
            assert [each.missing_payloads for each in found] == [0] * len(found)
        assert site.log() == before
        assert self._heads(site) == heads
        site.consume()
        assert site.problems() == []

    def test_what_was_not_journalled_is_lost_and_the_rest_comes_back(self, site: Site) -> None:
        site.tell("a")
        site.consume()
        site.mark()
        site.tell("a:2")
        site.consume("journal")
        journalled = site.log()
        with site.open() as producer:
            producer.append("a", artifacts("a", 5))
            site.lose()
            with site.open() as store:
                assert store.open().unproven
            assert site.log() == journalled
            # Whoever was told of one that is gone stops.
            with pytest.raises(Diverged, match="no longer holds"):
                producer.append("a", artifacts("a", 1))
        site.consume()

    def test_payloads_that_were_in_buffers_alone_are_counted_and_passed(self, site: Site) -> None:
        site.tell("a")
        site.consume()
        site.mark()
        with site.open() as store:
            refs = [row.ref for row in store.append("a", artifacts("a", 4))]
        site.consume("payloads")
        with site.open() as store:
            refs += [row.ref for row in store.append("a", artifacts("a", 3))]
        site.consume("journal")
        site.lose()
        with site.open() as store:
            (readded,) = store.open().readded
            assert (readded.events, readded.missing_payloads) == (7, 3)
            keys = store.parts.log.keys_of("a")
            event = store.get(refs[-1]).event
            assert event.payload is not None
            site.consume()
            assert store.parts.payloads.exists("a", refs[0], event.payload)
            with pytest.raises(PayloadMissing):
                store.parts.payloads.read("a", refs[-1], event.payload)
        with site.server.client() as client:
            missing: Any = client.hgetall(keys.payload_missing)
            assert {ref.decode() for ref in missing} == set(refs[4:])

    def test_of_two_who_verify_at_once_each_event_comes_back_once(self, site: Site) -> None:
        site.tell("a")
        site.consume()
        site.mark()
        site.tell("a:2")
        site.consume("journal", "payloads")
        before = site.log()
        for steps in range(4, 20, 3):
            site.lose()
            with EventStore(site.settings) as slow:
                opening = Steps(slow, slow.parts.log.open())
                # Part of the way, then held up while another does it all, then on to the end.
                assert not opening.go(steps)
                assert site.log() == before
                assert opening.go(MANY)
            assert site.log() == before

    @staticmethod
    def _heads(site: Site) -> list[Any]:
        with site.open() as store:
            return [(head.position, head.chain) for head in store.head()]


class TestProducers:
    """Who had the store open while its server was replaced."""

    def test_those_that_reconnect_at_once_wait_for_one_to_verify(self, site: Site) -> None:
        site.tell("a")
        site.consume()
        site.mark()
        site.tell("a:2")
        site.consume("journal", "payloads")
        before = places(site.log())
        producers = [site.open() for _ in range(6)]
        try:
            site.lose()
            rows: list[Any] = []
            threads = [
                threading.Thread(target=lambda p=p: rows.extend(p.append("a", artifacts("a", 2))))
                for p in producers
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            for producer in producers:
                producer.close()
        now = places(site.log())
        assert now.items() >= before.items()
        assert {row.ref: row.position for row in rows} == {
            ref: place[1] for ref, place in now.items() if ref not in before
        }
        assert len(rows) == 12
        site.consume()
        assert site.problems() == []

    def test_one_whose_events_came_back_goes_on(self, site: Site) -> None:
        site.tell("a")
        site.consume()
        site.mark()
        with site.open() as producer:
            lost = artifact("a")
            (row,) = producer.append("a", [lost])
            site.consume("journal")
            site.lose()
            (after,) = producer.append("a", artifacts("a", 1))
            assert after.position == row.position + 1
            # The same call again finds its own success.
            assert producer.append("a", [lost]) == [row]


class TestTwoHistories:
    """The log went on without its journal; each has events that the other has not."""

    @pytest.fixture
    def parted(self, site: Site) -> Site:
        site.tell("a")
        site.consume()
        site.mark()
        with site.open() as store:
            store.append("a", artifacts("a", 4))
        site.consume("journal")
        site.lose()
        with hidden(site.root), site.open() as store:
            store.append("a", artifacts("a", 3))
        return site

    def test_the_store_stays_sealed_and_both_tails_are_reported(self, parted: Site) -> None:
        parted.server.restart()
        with pytest.raises(TwoHistories, match="eventstore repair --keep") as caught:
            parted.open()
        found = caught.value
        assert found.common[0] == found.log[0] - 3 == found.journal[0] - 4
        assert found.log[1] != found.journal[1]
        assert self._states(parted, found.partition) == [b"sealed"]
        with pytest.raises(TwoHistories):
            parted.open()
        assert self._states(parted, found.partition) == [b"sealed"]

    def test_a_producer_that_had_it_open_is_told(self, parted: Site) -> None:
        with hidden(parted.root):
            producer = parted.open()
        with producer:
            parted.server.restart()
            with pytest.raises(TwoHistories):
                producer.append("a", artifacts("a", 1))

    @staticmethod
    def _states(site: Site, partition: int | None) -> list[Any]:
        assert partition is not None
        with site.server.client() as client:
            keys = Keys(site.settings.store.namespace, partition)
            return list(client.hmget(keys.meta, ["state"]))
