"""Entries that are read again are decoded once; another place or history is another event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.artifacts import artifacts
from support.stores import open_store

from eventstore import commands
from eventstore.consuming import recent
from eventstore.consuming.recent import RecentEvents
from eventstore.errors import UndecodableEvent
from eventstore.flow import call

if TYPE_CHECKING:
    from support.server import PrivateServer

EVENTS = 5


@pytest.fixture
def entries(server: PrivateServer, namespace: str) -> list[Any]:
    with open_store(server, namespace) as store:
        store.append("s", artifacts("s", EVENTS))
        (keys,) = store.parts.log.partitions
        return store.reading(lambda: call(commands.entries(keys, 1, None, EVENTS)))


def test_an_entry_that_is_read_again_is_the_same_event(entries: list[Any]) -> None:
    events = RecentEvents()
    first = [events.decode(0, entry) for entry in entries]
    again = [events.decode(0, (entry[0], list(entry[1]))) for entry in entries]
    assert [item.position for item in first] == list(range(1, EVENTS + 1))
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_another_history_or_partition_is_another_event(entries: list[Any]) -> None:
    events = RecentEvents()
    entry_id, values = entries[0]
    known = events.decode(0, (entry_id, values))
    other = events.decode(0, (entry_id, [*values[:-1], b"f" * 16]))
    elsewhere = events.decode(1, (entry_id, values))
    assert (other.chain, other.position) == ("f" * 16, known.position)
    assert (elsewhere.partition, elsewhere.chain) == (1, known.chain)


def test_what_cannot_be_decoded_is_refused_every_time(entries: list[Any]) -> None:
    events = RecentEvents()
    entry_id, values = entries[0]
    damages: list[list[bytes]] = [[], values[:-2]]
    for damaged in damages:
        for _ in range(2):
            with pytest.raises(UndecodableEvent):
                events.decode(0, (entry_id, damaged))


def test_only_the_last_ones_are_kept(entries: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "_KEPT", 2)
    events = RecentEvents()
    first = [events.decode(0, entry) for entry in entries]
    assert events.decode(0, entries[-1]) is first[-1]
    assert events.decode(0, entries[-2]) is first[-2]
    assert events.decode(0, entries[0]) is not first[0]
