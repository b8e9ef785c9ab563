"""Entries that somebody deleted from the stream: seen, and brought back from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.artifacts import artifacts
from support.losing import SESSIONS, Site

from eventstore.errors import RepairRefused
from eventstore.keys import Keys
from eventstore.log_holes import missing_entries
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.server import PrivateServer


@pytest.fixture
def site(private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path) -> Site:
    site = Site(private_server, namespace, tmp_path)
    site.tell(*SESSIONS)
    site.consume()
    return site


def verdicts(site: Site) -> list[str]:
    with EventStore(site.settings) as store:
        return [each.verdict for each in store.examine()]


def delete(site: Site, *positions: int) -> None:
    """Delete entries of the partition of "a", as an operator's slip would."""
    keys = Keys(site.settings.store.namespace, 1)
    with site.server.client() as client:
        assert client.xdel(keys.stream, *(f"0-{n}" for n in positions)) == len(positions)


@pytest.mark.parametrize("gone", [[1], [2], [2, 3]])
def test_they_come_back(site: Site, gone: list[int]) -> None:
    with site.open() as store:
        store.append("a", artifacts("a", 3))
    before = site.log()
    delete(site, *gone)
    assert verdicts(site) == ["well", "poisoned"]
    with pytest.raises(RepairRefused, match="the stream alone is no log"), site.open() as store:
        store.repair("stream")
    with site.open() as store:
        [repaired] = store.repair("journal").partitions
    assert (repaired.lost_events, repaired.lost_files) == (0, [])
    assert site.log() == before
    assert verdicts(site) == ["well", "well"]
    site.consume()
    assert site.problems() == []


def test_what_lies_behind_a_hole_that_no_journal_fills_is_kept_aside(site: Site) -> None:
    with site.open() as store:
        added = store.append("a", artifacts("a", 3))
    before = site.log()
    delete(site, added[1].position)
    with site.open() as store:
        [repaired] = store.repair("journal").partitions
    assert repaired.position == added[0].position
    [name] = repaired.lost_files
    assert "foreign" in name
    assert site.log() == before[:-2]


@given(
    st.integers(0, 50),
    st.integers(1, 50),
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_what_goes_on_meanwhile_never_feigns_a_hole(
    trimmed: int, held: int, appended: int, trims: int, more: int, last_trims: int
) -> None:
    """A whole stream, read end, length, beginning, trimmed: with work between each two reads."""
    first, last = trimmed + 1, trimmed + held
    length = held + appended - min(trims, held + appended - 1)
    first = last + appended - length + 1
    first += min(more, length - 1)
    assert missing_entries(last, length, first, first - 1 + last_trims) == 0
