"""The journal's index: what is in a run is found, what is not is not, and damage is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.errors import IndexDamaged
from eventstore.journal_format import FIELDS
from eventstore.journal_index_format import (
    PAGE_RECORDS,
    Place,
    Run,
    decode_header,
    encode_run,
    find_place,
    find_steps,
    merge_runs,
    run_of,
    step_bounds,
)
from eventstore.keys import entry_id
from eventstore.refs import derived_ref

if TYPE_CHECKING:
    from collections.abc import Sequence

SESSIONS = ("a", "b:{c}", "é")


def entries(count: int, first: int = 1) -> list[Any]:
    """Return entries of three sessions in turns; each ref follows from its position."""
    found = []
    for position in range(first, first + count):
        values = dict.fromkeys(FIELDS, "x")
        values |= {
            "ref": derived_ref(str(position)),
            "session": SESSIONS[position % 3],
            "seq": str(position // 3),
            "digest": f"{position:016x}",
            "chain": f"c{position:015x}",
        }
        flat = [part.encode() for pair in values.items() for part in pair]
        found.append((entry_id(position).encode(), flat))
    return found


def place_of(run: Run, data: bytes, ref: str) -> Place | None:
    header = decode_header(run, data[: run.header_bytes], "here")
    raw = bytes.fromhex(ref)
    if not header.may_hold(raw):
        return None
    pages = header.refs.pages(raw, raw)
    pages = pages[-1:]
    if not pages:
        return None
    found = header.refs.records(pages, data[slice(*header.refs.extent(pages))], "here")
    return find_place(found, raw)


def steps_of(run: Run, data: bytes, session: str, first: int, stop: int) -> list[tuple[int, int]]:
    header = decode_header(run, data[: run.header_bytes], "here")
    low, high = step_bounds(session, first, stop)
    pages = header.sessions.pages(low, high)
    found = header.sessions.records(pages, data[slice(*header.sessions.extent(pages))], "here")
    return list(find_steps(found, low, high))


def check(run: Run, data: bytes, positions: Sequence[int]) -> None:
    assert len(data) == run.bytes
    for position in positions:
        assert place_of(run, data, derived_ref(str(position))) == Place(
            position, position.to_bytes(8, "big")
        )
    for number, session in enumerate(SESSIONS):
        own = [(p // 3, p) for p in positions if p % 3 == number]
        assert steps_of(run, data, session, 0, 2**40) == own
        for seq, position in own[:: max(1, len(own) // 5)]:
            assert steps_of(run, data, session, seq, seq + 1) == [(seq, position)]


@pytest.mark.parametrize("count", [1, 2, PAGE_RECORDS - 1, PAGE_RECORDS, PAGE_RECORDS + 1, 1000])
def test_every_ref_and_every_event_of_a_session_is_found(count: int) -> None:
    run, data = encode_run(entries(count, first=7))
    assert run == Run(7, 6 + count, f"c{6 + count:015x}")
    assert run_of(run.name) == run
    check(run, data, range(7, 7 + count))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 600), st.integers(1, 600))
def test_merged_runs_hold_what_both_held(one: int, other: int) -> None:
    earlier, later = encode_run(entries(one)), encode_run(entries(other, first=one + 1))
    run, data = merge_runs(earlier, later)
    assert (run, data) == encode_run(entries(one + other))


def test_what_is_not_there_is_not_found() -> None:
    run, data = encode_run(entries(600))
    assert place_of(run, data, "0" * 32) is None
    assert place_of(run, data, "f" * 32) is None
    assert all(place_of(run, data, derived_ref(f"other {n}")) is None for n in range(100))
    assert steps_of(run, data, "nobody", 0, 2**40) == []
    assert steps_of(run, data, "a", 201, 300) == []


def test_few_refs_that_are_not_there_seem_to_be() -> None:
    run, data = encode_run(entries(2000))
    header = decode_header(run, data[: run.header_bytes], "here")
    others = [bytes.fromhex(derived_ref(f"other {n}")) for n in range(2000)]
    assert sum(map(header.may_hold, others)) < 60


@pytest.mark.parametrize("name", ["x.idx", f"{1:020d}-{2:020d}-{0:016x}.ndjson.gz", ""])
def test_another_files_name_is_no_run(name: str) -> None:
    assert run_of(name) is None


@pytest.mark.parametrize("at", [0, 9, 40, -40, -1])
def test_a_changed_byte_is_found(at: int) -> None:
    run, data = encode_run(entries(300))
    damaged = bytearray(data)
    damaged[at] ^= 1
    with pytest.raises(IndexDamaged, match="checksum"):
        merge_runs((run, bytes(damaged)), encode_run(entries(1, first=301)))


@pytest.mark.parametrize("cut", [1, 64, 30_000])
def test_a_file_that_is_cut_is_found(cut: int) -> None:
    run, data = encode_run(entries(600))
    with pytest.raises(IndexDamaged):
        merge_runs((run, data[:-cut]), encode_run(entries(1, first=601)))
    header = decode_header(run, data[: run.header_bytes], "here")
    with pytest.raises(IndexDamaged, match="cut off"):
        header.refs.records(range(1), data[run.header_bytes : run.header_bytes + 9], "here")
