"""Whole events out of one store and into another: nothing is lost, doubled or mixed."""

from __future__ import annotations

import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.artifacts import artifact, artifacts, decision
from support.event_files import exported, lines_of_steps, load, numbers, read_models, write_lines
from support.stores import open_store
from support.stories import tell

from consumers.exporting.events import session_lines
from consumers.importing.load import Loading
from eventstore.bus import EventBus
from eventstore.errors import ImportRefused, SessionDiffers, SessionNotFound
from eventstore.events import SessionOpened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.store import EventStore

SESSIONS = ["s", "t:{1}", "é / %3A\n"]


@pytest.fixture
def source(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    with open_store(server, f"{namespace}-from") as store:
        yield store


@pytest.fixture
def target(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    with open_store(server, f"{namespace}-to") as store:
        yield store


def fill(store: EventStore) -> None:
    """Append sessions of every kind of event, in turns, with payloads of every form and size."""
    for session in SESSIONS:
        tell(store, session)
    bus = EventBus(store)
    payloads = ["x" * 10_000, os.urandom(5_000), os.urandom(300_000), "", b"", None, [1.0, 2**70]]
    for payload in payloads:
        for session in SESSIONS:
            bus.publish({"session_id": session, "agent_id": "a", "type": "big"}, payload)


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_store_comes_back_equal_in_an_empty_one(
    server: PrivateServer, namespace: str, tmp_path: Path, partitions: int
) -> None:
    with (
        open_store(server, f"{namespace}-from", partitions, inline_limit=100_000) as source,
        open_store(server, f"{namespace}-to", partitions) as target,
    ):
        fill(source)
        lines = exported(source)
        path = write_lines(tmp_path / "all.jsonl", lines)
        events = sum(head.position for head in source.head())
        first, again = load(target, path), load(target, path)
        assert (first.events, first.added, first.runs) == (events, events, len(SESSIONS))
        assert (again.added, again.known) == (0, events)
        for session in SESSIONS:
            assert numbers(target, session) == numbers(source, session)
        heads = [(head.position, head.chain) for head in source.head()]
        assert [(head.position, head.chain) for head in target.head()] == heads
        assert exported(target) == lines
        assert read_models(target) == read_models(source)


def test_a_session_comes_back_beside_others(
    source: EventStore, target: EventStore, tmp_path: Path
) -> None:
    fill(source)
    target.append("other", artifacts("other", 3))
    lines = list(session_lines(source, SESSIONS[1]))
    loaded = load(target, write_lines(tmp_path / "one.jsonl", lines))
    assert (loaded.runs, loaded.added) == (1, len(lines))
    assert numbers(target, SESSIONS[1]) == numbers(source, SESSIONS[1])
    assert list(session_lines(target, SESSIONS[1])) == lines
    bus = EventBus(target)
    with pytest.raises(SessionNotFound):
        list(session_lines(target, SESSIONS[0]))
    # The lanes go on where they were: a decision of before and one of now cannot both hold.
    row = bus.publish({"session_id": SESSIONS[1], "agent_id": "a", "type": "x"}, 1)
    assert row.seq == len(lines)


def test_an_import_that_ended_is_completed(
    source: EventStore, target: EventStore, tmp_path: Path
) -> None:
    lines = lines_of_steps(source, 1_300)
    for count, added in ((1, 1), (700, 699), (1_300, 600), (650, 0)):
        assert load(target, write_lines(tmp_path / "part", lines[:count])).added == added
    assert exported(target) == lines


def test_a_damaged_line_is_named_and_nothing_of_its_window_is_written(
    source: EventStore, target: EventStore, tmp_path: Path
) -> None:
    lines = lines_of_steps(source, 1_200)
    whole = lines[749]
    lines[749] = whole.replace(b'"n":249', b'"n":250')
    path = write_lines(tmp_path / "damaged", lines)
    with pytest.raises(ImportRefused, match=r"damaged: line 750: is damaged") as refused:
        load(target, path)
    assert refused.value.where == "line 750"
    assert [head.position for head in target.head()] == [500]
    lines[749] = whole
    assert load(target, write_lines(path, lines)).added == 700
    cut = write_lines(tmp_path / "cut", [*lines[:2], lines[2][:-10]])
    with pytest.raises(ImportRefused, match="line 3: is no exported event, or one that was cut"):
        load(target, cut)


@pytest.mark.parametrize(("lost", "line"), [(0, 1), (3, 4), (600, 601)])
def test_a_line_that_is_missing_is_missed(
    source: EventStore, target: EventStore, tmp_path: Path, lost: int, line: int
) -> None:
    lines = lines_of_steps(source, 900)
    del lines[lost]
    with pytest.raises((ImportRefused, SessionDiffers), match=f"line {line}: "):
        load(target, write_lines(tmp_path / "f", lines))
    assert target.head()[0].position == lost // 500 * 500


def test_a_session_that_is_there_with_other_events_is_left_alone(
    source: EventStore, target: EventStore, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "f", lines_of_steps(source, 5))
    target.append("s", artifacts("s", 1))
    with pytest.raises(SessionDiffers, match="line 1: session 's' has other events here, and not"):
        load(target, path)
    assert target.head()[0].position == 1


def test_also_if_the_other_events_are_in_lanes_of_their_own(
    source: EventStore, target: EventStore, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "f", lines_of_steps(source, 5))
    target.append("s", [decision(SessionOpened, "s")])
    with pytest.raises(SessionDiffers, match="line 1: session 's' has other events here"):
        load(target, path)
    assert target.head()[0].position == 1


def test_a_session_that_went_on_elsewhere_is_not_mixed(
    source: EventStore, target: EventStore, tmp_path: Path
) -> None:
    first = lines_of_steps(source, 3)
    load(target, write_lines(tmp_path / "first", first))
    target.append("s", artifacts("s", 1))
    both = lines_of_steps(source, 2)
    with pytest.raises(SessionDiffers, match="line 4: session 's' has other events"):
        load(target, write_lines(tmp_path / "both", both))
    assert target.head()[0].position == 4


def test_a_known_ref_with_other_content_is_refused(
    source: EventStore, target: EventStore, tmp_path: Path
) -> None:
    ref = f"{7:032x}"
    source.append("s", [artifact("s", 1, ref=ref)])
    target.append("s", [artifact("s", 2, ref=ref)])
    with pytest.raises(SessionDiffers, match="line 1: session 's' has this event here with other"):
        load(target, write_lines(tmp_path / "f", exported(source)))


def test_imports_at_once_add_every_event_once_and_count_it_once(
    source: EventStore, target: EventStore, tmp_path: Path
) -> None:
    fill(source)
    lines = exported(source)
    path = write_lines(tmp_path / "f", lines)
    loadings = [Loading(target) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda loading: loading.load_events(path), loadings))
    assert sum(each.loaded.added for each in loadings) == len(lines)
    assert {each.loaded.events for each in loadings} == {len(lines)}
    for session in SESSIONS:
        assert numbers(target, session) == numbers(source, session)


def test_the_memory_that_it_takes_does_not_grow_with_the_file(
    source: EventStore, target: EventStore, tmp_path: Path
) -> None:
    count, size = 60, 1_000_000
    for number in range(count):
        source.append("s", [artifact("s", f"{number}" + "x" * size)])
    path = tmp_path / "big"
    tracemalloc.start()
    try:
        with path.open("wb") as file:
            file.writelines(session_lines(source, "s"))
        _, exporting = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert load(target, path).added == count
        _, importing = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > count * size
    assert exporting < count * size / 2
    assert importing < count * size / 2
