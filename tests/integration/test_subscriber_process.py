"""Subscribers as processes: one dies mid-batch, one is frozen, one is told to end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.consuming import publish
from support.order_book import judge, read_book
from support.stores import make_settings, open_store
from support.subscriber_process import Nursery
from support.subscribing import positions
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.order_book import Line
    from support.server import PrivateServer

    from eventstore.store import EventStore


@pytest.fixture
def store(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    with open_store(server, namespace) as store:
        yield store


@pytest.fixture
def nursery(server: PrivateServer, namespace: str, tmp_path: Path) -> Iterator[Nursery]:
    settings = make_settings(server, namespace, lease_seconds=0.3)
    with Nursery(settings, tmp_path / "log") as nursery:
        yield nursery


def given(book: Path) -> list[Line]:
    """Return what was given so far."""
    return [line for line in read_book(book) if line.what == "given"] if book.exists() else []


def test_what_a_killed_process_had_not_committed_goes_to_the_next(
    store: EventStore, nursery: Nursery, tmp_path: Path
) -> None:
    book = tmp_path / "book"
    publish(store, "s", 8)
    first = nursery.start("g", book, every=5)
    until(lambda: len(given(book)) == 8, what="eight events")
    nursery.end(first, signal.SIGKILL)
    second = nursery.start("g", book, every=1)
    until(lambda: positions(store, "g") == [8], what="the head")
    nursery.end(second, signal.SIGTERM)
    after = [line.position for line in given(book) if line.process == second]
    assert after == [6, 7, 8]
    assert judge(read_book(book), {first}).faults == []


def test_a_process_told_to_end_settles_what_it_has(
    store: EventStore, nursery: Nursery, tmp_path: Path
) -> None:
    book = tmp_path / "book"
    publish(store, "s", 8)
    member = nursery.start("g", book, every=5)
    until(lambda: len(given(book)) == 8, what="eight events")
    nursery.end(member, signal.SIGTERM)
    assert positions(store, "g") == [8]
    assert {line.what for line in read_book(book)} == {"given", "kept"}


def test_a_frozen_process_is_replaced_and_gives_nothing_more(
    store: EventStore, nursery: Nursery, tmp_path: Path
) -> None:
    book, others = tmp_path / "book", tmp_path / "others"
    publish(store, "s", 8)
    zombie = nursery.start("g", book, every=20)
    until(lambda: len(given(book)) == 8, what="eight events")
    os.kill(zombie, signal.SIGSTOP)
    member = nursery.start("g", others, every=1)
    publish(store, "s", 30)
    until(lambda: positions(store, "g") == [38], what="the head, by another")
    os.kill(zombie, signal.SIGCONT)
    for each in (zombie, member):
        nursery.end(each, signal.SIGTERM)
    verdict = judge(read_book(others), set())
    assert (verdict.faults, verdict.given) == ([], {0: 38})
    mine = read_book(book)
    assert [line.what for line in mine] == ["given"] * 8 + ["lost"] * 8


def test_a_frozen_process_gives_nothing_of_what_it_had_read_ahead(
    store: EventStore, nursery: Nursery, tmp_path: Path
) -> None:
    book, others = tmp_path / "book", tmp_path / "others"
    publish(store, "s", 400)
    zombie = nursery.start("g", book, every=1)
    until(lambda: len(given(book)) >= 10, what="ten events")
    os.kill(zombie, signal.SIGSTOP)
    until(lambda: is_frozen(zombie), what="a frozen process")
    before = len(given(book))
    assert before < 400
    member = nursery.start("g", others, every=1)
    until(lambda: positions(store, "g") == [400], what="the head, by another")
    os.kill(zombie, signal.SIGCONT)
    for each in (zombie, member):
        nursery.end(each, signal.SIGTERM)
    # At most the one that it had in hand.
    assert len(given(book)) <= before + 1
    assert judge(read_book(book) + read_book(others), {zombie}).faults == []


def is_frozen(process: int) -> bool:
    """Return whether every thread of a process has stopped."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return all((each / "stat").read_text().rpartition(")")[2].split()[0] == "T" for each in threads)
