"""Payloads that a server took with it are counted by health and doctor until they are back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.artifacts import artifact
from support.losing import Site
from support.payloads import encoded

from consumers.monitoring.diagnosis import examine_store
from eventstore.bus import EventBus
from eventstore.errors import PayloadMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.health_checks import Check
    from eventstore.store import EventStore


def look(checks: Iterable[Check], name: str) -> Check:
    (found,) = (each for each in checks if each.name == name)
    return found


def missing(store: EventStore) -> Check:
    return look(EventBus(store).health().checks, "missing")


def test_lost_payloads_are_counted_until_their_files_are_back(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> None:
    site = Site(private_server, namespace, tmp_path)
    site.tell("a")
    site.consume()
    site.mark()
    with site.open() as store:
        assert missing(store).status == "ok"
        (first, *others) = [
            *store.append("a", [artifact("a", {"n": 0})]),
            *store.append("d", [artifact("d", {"n": n}) for n in range(1, 3)]),
        ]
    site.consume("journal")
    site.lose()
    with site.open() as store:
        found = missing(store)
        assert (found.status, found.detail.split()[0]) == ("warning", "3")
        assert "`eventstore doctor` looks again" in found.remedy
        event = store.get(first.ref).event
        assert event.payload is not None
        with pytest.raises(PayloadMissing):
            store.parts.payloads.read("a", first.ref, event.payload)
        # As an operator does with a backup.
        store.parts.payloads.write("a", first.ref, event.payload, encoded({"n": 0}).data)
        told = look(examine_store(EventBus(store)), "payload files")
        assert (told.status, told.detail.split()[0]) == ("warning", "2")
        assert all(row.ref in told.detail for row in others)
        assert "1 that were lost have their files again" in told.detail
        assert missing(store).detail.split()[0] == "2"
        assert look(examine_store(EventBus(store)), "payload files").detail.startswith("2 ")
