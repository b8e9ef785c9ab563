"""Slots are shared out evenly, and the same way by every worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.consuming.membership import Member, Slot, assign, decode_members

if TYPE_CHECKING:
    import random

GROUPS = ("branch", "evaluation", "index", "payloads", "timeline")
members = st.lists(
    st.builds(
        Member,
        st.text("abcdef", min_size=1, max_size=4),
        st.lists(st.sampled_from(GROUPS), min_size=1, unique=True).map(tuple),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda member: member.worker,
)


@given(members, st.integers(1, 8), st.randoms(use_true_random=False))
def test_every_slot_has_one_owner_that_serves_it(
    live: list[Member], partitions: int, shuffle: random.Random
) -> None:
    owners = assign(live, partitions)
    served = {group for member in live for group in member.groups}
    assert set(owners) == {Slot(group, p) for group in served for p in range(partitions)}
    groups = {member.worker: member.groups for member in live}
    assert all(slot.group in groups[owner] for slot, owner in owners.items())
    shuffle.shuffle(live)
    assert assign(live, partitions) == owners


@given(st.integers(1, 7), st.integers(1, 16))
def test_workers_that_serve_the_same_differ_by_one_slot_at_most(
    workers: int, partitions: int
) -> None:
    live = [Member(f"w{n}", GROUPS) for n in range(workers)]
    owners = list(assign(live, partitions).values())
    loads = [owners.count(member.worker) for member in live]
    assert max(loads) - min(loads) <= 1


def test_a_worker_that_serves_less_is_not_passed_over() -> None:
    live = [Member("a", ("x", "y")), Member("b", ("x",))]
    assert assign(live, 1) == {Slot("x", 0): "b", Slot("y", 0): "a"}


@given(members)
def test_members_read_back_as_they_were_written(live: list[Member]) -> None:
    assert decode_members(member.encode().encode() for member in live) == live


@pytest.mark.parametrize("value", [b"", b"[]", b"w1 index", b'{"worker": 1}', b"[1, 2]", b"\xff"])
def test_what_no_worker_wrote_is_not_counted(
    value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    good = Member("w", ("index",))
    assert decode_members([value, good.encode().encode()]) == [good]
    assert repr(value) in caplog.text
