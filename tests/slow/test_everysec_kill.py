"""A server under everysec, killed while its disk stalls: what it lost comes back, or is said.

Nothing is cut off by hand here: the server itself has acknowledged what it had not yet written.
Slow because that takes a disk that stalls for a second or two.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.artifacts import artifacts
from support.consuming import running, until_caught_up
from support.losing import Site
from support.stalling_disk import kill_stalled, stall

from consumers.working.groups import select_groups
from eventstore.embedded.append_only import scan
from eventstore.errors import Diverged
from eventstore.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.commands import Appended
    from eventstore.store import EventStore

PATIENCE = 60.0
JOURNALLING = select_groups(["journal", "payloads"])


@pytest.fixture
def site(private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path) -> Site:
    site = Site(private_server, namespace, tmp_path, partitions=1)
    with site.server.client() as client:
        client.config_set("appendfsync", "everysec")
    return site


def kill_before_it_writes(site: Site, store: EventStore, *, journalled: bool) -> list[Appended]:
    """Append to a server whose disk stalls until it is surely behind, and kill it.

    Returns all that was acknowledged. The last of it is in no file of the server's.
    """
    (file,) = (site.server.directory / "appendonlydir").glob("*.incr.aof")
    thread = stall(site.server)
    told: list[Appended] = []
    deadline = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline, "the server writes whatever its disk does"
        before = file.stat().st_size
        for _ in range(20):
            told += store.append("a", artifacts("a", 1))
        if journalled:
            for group in JOURNALLING:
                until_caught_up(store, group)
        # A sync that hangs keeps it from writing for two seconds at a time.
        if file.stat().st_size == before:
            break
    kill_stalled(site.server, thread)
    written = scan(file).ends[Keys(site.settings.store.namespace, 0).stream]
    assert written < told[-1].position
    site.server.start()
    return told


def test_what_was_journalled_comes_back_at_its_positions(site: Site) -> None:
    with site.open() as producer, running(site.settings, JOURNALLING):
        told = producer.append("a", artifacts("a", 10))
        told += kill_before_it_writes(site, producer, journalled=True)
        # The producer and the worker reconnect by themselves; nobody has looked before.
        told += producer.append("a", artifacts("a", 5))
    assert [(each.event.ref, each.position) for each in site.log()] == [
        (row.ref, row.position) for row in told
    ]
    site.consume()
    assert site.problems() == []


def test_what_was_in_memory_alone_is_lost_and_whoever_was_told_of_it_stops(site: Site) -> None:
    with site.open() as producer:
        producer.append("a", artifacts("a", 10))
        site.consume()
        told = kill_before_it_writes(site, producer, journalled=False)
        with site.open() as store:
            (line,) = store.open().unproven
            assert "nothing here proves" in line
        with pytest.raises(Diverged, match="no longer holds"):
            producer.append("a", artifacts("a", 1))
    left = site.log()
    assert 10 <= len(left) < 10 + len(told)
