"""Refs: unique, sortable in a process, the same for the same parts where they are derived."""

from __future__ import annotations

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import generate_ref
from eventstore.errors import InvalidEvent
from eventstore.refs import check_ref, derived_ref


def test_a_ref_is_a_uuid_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    ref = generate_ref()
    found = uuid.UUID(ref)
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert check_ref(ref) == ref
    # A burst of refs may run ahead of the clock by the milliseconds that it fills.
    assert before <= int(ref[:12], 16) <= time.time_ns() // 1_000_000 + 1


def test_refs_rise_within_a_process() -> None:
    refs = [generate_ref() for _ in range(20_000)]
    assert all(one < other for one, other in pairwise(refs))


def test_threads_never_share_a_ref() -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: [generate_ref() for _ in range(2000)], range(8)))
    for run in runs:
        assert run == sorted(run)
    assert len({ref for run in runs for ref in run}) == 16_000


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_does_not_repeat_its_parent() -> None:
    generate_ref()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, " ".join(generate_ref() for _ in range(500)).encode())
        os._exit(0)
    own = {generate_ref() for _ in range(500)}
    os.close(writing)
    with os.fdopen(reading) as answer:
        childs = set(answer.read().split())
    os.waitpid(pid, 0)
    assert len(childs) == 500
    assert not childs & own


parts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=4)


@given(parts, parts)
def test_other_parts_give_another_ref(one: list[str], other: list[str]) -> None:
    assert (derived_ref(*one) == derived_ref(*other)) == (one == other)
    found = uuid.UUID(derived_ref(*one))
    assert (found.version, found.variant) == (8, uuid.RFC_4122)


def test_a_derived_ref_is_the_same_for_ever() -> None:
    assert derived_ref("session", "tick", "1") == "ff852fd5d2d88a188c82cbd4058d8fb8"


@pytest.mark.parametrize(
    "value", [None, 5, "", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "\u0660" * 32]
)
def test_what_is_no_ref_is_refused_by_its_field(value: Any) -> None:
    with pytest.raises(InvalidEvent, match=r"^header\.ref: .* 32 lowercase hex digits"):
        check_ref(value, "header.ref")
