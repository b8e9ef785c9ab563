"""The journal group writes the log to files, once, and stops where two histories meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.consuming import at, publish, running, until_caught_up
from support.payloads import with_payloads
from support.stores import make_settings
from support.wait import until

from consumers.applying.journal_group import JournalHandler
from consumers.monitoring.health import Verdict
from eventstore import commands
from eventstore.consuming.membership import Slot
from eventstore.errors import Diverged, JournalDamaged
from eventstore.flow import call
from eventstore.journal import START, Journal
from eventstore.journal_format import encode_segment
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from consumers.working.worker import Worker
    from eventstore.settings import AppSettings

GROUP = {"journal": JournalHandler}


@pytest.fixture
def settings(server: PrivateServer, namespace: str, tmp_path: Path) -> AppSettings:
    return with_payloads(make_settings(server, namespace), tmp_path / "p")


@pytest.fixture
def store(settings: AppSettings) -> Iterator[EventStore]:
    with EventStore(settings) as store:
        yield store


@pytest.fixture
def journal(store: EventStore) -> Journal:
    return Journal(store.parts.payloads, store.open().uuid)


def stream(store: EventStore, first: int = 1, last: int | None = None) -> list[Any]:
    """Return raw entries of the log."""
    [keys] = store.parts.log.partitions
    found = store.reading(lambda: call(commands.entries(keys, first, last, 10_000)))
    return [(entry_id, list(values)) for entry_id, values in found]


def forget_checkpoint(store: EventStore, client: redis.Redis) -> None:
    """Put the group at the start, as a crash before its checkpoint's move would."""
    client.hdel(store.parts.log.partitions[0].checkpoints, "journal")


def ranges(journal: Journal) -> list[tuple[int, int]]:
    return [(segment.first, segment.last) for segment in journal.segments(0)]


def error_of(worker: Worker) -> str:
    status = worker.slots[Slot("journal", 0)].status
    return status.error or "" if status.verdict is Verdict.PAUSE else ""


def test_the_journal_is_the_log(settings: AppSettings, store: EventStore, journal: Journal) -> None:
    publish(store, "s", 1200)
    with running(settings, GROUP):
        until_caught_up(store, "journal")
    assert list(journal.entries(0)) == stream(store)
    assert ranges(journal) == [(1, 500), (501, 1000), (1001, 1200)]
    head = store.head()[0]
    assert journal.end(0) == (head.position, head.chain)


def test_segments_that_a_killed_worker_left_are_taken_as_they_are(
    settings: AppSettings, store: EventStore, journal: Journal, redis_client: redis.Redis
) -> None:
    publish(store, "s", 700)
    journal.extend(0, START, stream(store, 1, 650))
    publish(store, "s", 100)
    with running(settings, GROUP):
        until_caught_up(store, "journal")
    assert ranges(journal) == [(1, 650), (651, 800)]
    forget_checkpoint(store, redis_client)
    with running(settings, GROUP):
        until_caught_up(store, "journal")
    assert ranges(journal) == [(1, 650), (651, 800)]
    assert list(journal.entries(0)) == stream(store)


def test_segments_that_are_gone_are_written_again_from_the_log(
    settings: AppSettings, store: EventStore, journal: Journal, tmp_path: Path
) -> None:
    publish(store, "s", 20)
    with running(settings, GROUP):
        until_caught_up(store, "journal")
    for file in (tmp_path / "p" / "journal").rglob("*.gz"):
        file.unlink()
    publish(store, "s", 5)
    with running(settings, GROUP):
        until_caught_up(store, "journal")
    assert list(journal.entries(0)) == stream(store)


@pytest.mark.parametrize("length", [3, 8])
def test_another_history_stops_the_group_and_is_kept(
    server: PrivateServer, settings: AppSettings, store: EventStore, journal: Journal, length: int
) -> None:
    other = make_settings(server, f"{settings.store.namespace}o")
    with EventStore(other) as lost:
        publish(lost, "s", length)
        journal.extend(0, START, stream(lost))
    publish(store, "s", 5)
    before = journal.segments(0)
    with running(settings, GROUP) as worker:
        until(lambda: "Diverged" in error_of(worker), what="the group paused")
    assert at(store, "journal").position == 0
    assert journal.segments(0) == before


def test_a_file_system_that_fails_delays_the_group(
    settings: AppSettings, store: EventStore, journal: Journal, tmp_path: Path
) -> None:
    publish(store, "s", 5)
    (tmp_path / "p").write_text("a file in the place of the directory")
    with running(settings, GROUP) as worker:
        status = worker.slots[Slot("journal", 0)].status
        until(lambda: "PayloadStoreError" in (status.error or ""), what="the fault said")
        assert at(store, "journal").position == 0
        (tmp_path / "p").unlink()
        until_caught_up(store, "journal")
    assert list(journal.entries(0)) == stream(store)


def test_overlaps_are_merged_and_must_agree(store: EventStore, journal: Journal) -> None:
    publish(store, "s", 30)
    log = stream(store)
    ten = journal.extend(0, START, log[:10])
    journal.extend(0, START, log[:15])
    journal.extend(0, ten, log[10:30])
    assert list(journal.entries(0)) == log
    assert journal.chain_at(0, 12) == log[11][1][-1].decode()
    _, values = log[19]
    foreign = [*values[:-1], b"f" * 16]
    segment, data = encode_segment([*log[15:19], (log[19][0], foreign)])
    store.parts.payloads.files.put(f"journal/{journal.store}/0/{segment.name}", data)
    with pytest.raises(Diverged, match="position 20"):
        list(journal.entries(0))


def test_a_gap_is_said(store: EventStore, journal: Journal, tmp_path: Path) -> None:
    publish(store, "s", 30)
    log = stream(store)
    ten = journal.extend(0, START, log[:10])
    twenty = journal.extend(0, ten, log[10:20])
    journal.extend(0, twenty, log[20:])
    [middle] = (tmp_path / "p" / "journal").rglob(f"{11:020d}-*")
    middle.unlink()
    with pytest.raises(JournalDamaged, match="from 11 to 20"):
        list(journal.entries(0))
