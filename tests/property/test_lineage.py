"""Lineages against copying the list: forks, rewinds and pops in any order show the same steps.

The model is the simplest thing that is right: a branch is a list of the steps it shows, a fork
copies the list, a rewind cuts it, a pop takes one out, and every branch counts its own steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.errors import NotInHistory
from eventstore.lineage import UNFORKED, History, Lineage, fork, hide, history, rewind

Step = tuple[str, int]
PUBLISH, FORK, REWIND, POP = "publish", "fork", "rewind", "pop"
operations = st.lists(
    st.tuples(
        st.sampled_from([PUBLISH, PUBLISH, PUBLISH, FORK, REWIND, POP]),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
    ),
    max_size=60,
)


@dataclass
class Branch:
    """One branch in both forms: as the code keeps it, and as a copied list."""

    lineage: Lineage = UNFORKED
    next_step: int = 0
    shown: list[Step] = field(default_factory=list)
    decisions: int = 0


def play(steps: list[tuple[str, int, int]]) -> dict[str, Branch]:
    """Perform operations on both forms; the numbers pick branch and step."""
    branches = {"main": Branch()}
    for operation, which, where in steps:
        name = sorted(branches)[which % len(branches)]
        branch = branches[name]
        if operation == PUBLISH:
            branch.shown.append((name, branch.next_step))
            branch.next_step += 1
        elif branch.shown:
            depth = where % len(branch.shown)
            at = branch.shown[depth][1]
            kept = branch.shown[: depth + 1]
            if operation == FORK:
                lineage = fork(branch.lineage, name, branch.next_step, at)
                child = Branch(lineage, at + 1, kept, branch.decisions + 1)
                branches[f"b{len(branches)}"] = child
            elif operation == POP:
                branch.lineage = hide(branch.lineage, name, branch.next_step, at)
                del branch.shown[depth]
                branch.decisions += 1
            else:
                branch.lineage = rewind(branch.lineage, name, branch.next_step, at)
                branch.shown = kept
                branch.decisions += 1
    return branches


@given(operations)
def test_a_branch_shows_what_a_copied_list_would(steps: list[tuple[str, int, int]]) -> None:
    for name, branch in play(steps).items():
        shown = history(branch.lineage, name, branch.next_step)
        assert list(shown) == branch.shown
        assert len(shown) == len(branch.shown)
        assert shown.last == (branch.shown[-1][1] if branch.shown else None)


@given(operations)
def test_steps_rise_and_depth_counts_them(steps: list[tuple[str, int, int]]) -> None:
    for name, branch in play(steps).items():
        shown = history(branch.lineage, name, branch.next_step)
        indexes = [step for _, step in shown]
        assert indexes == sorted(set(indexes))
        assert [shown.depth_of(step) for step in indexes] == list(range(len(indexes)))
        hidden = set(range(-1, branch.next_step + 2)) - set(indexes)
        for step in hidden:
            assert step not in shown
            with pytest.raises(NotInHistory):
                shown.cut(step)


@given(operations)
def test_segments_are_few_ordered_and_whole(steps: list[tuple[str, int, int]]) -> None:
    for name, branch in play(steps).items():
        ranges = history(branch.lineage, name, branch.next_step).ranges
        assert all(lo <= hi for _, lo, hi in ranges)
        for (owner, _, hi), (following, lo, _) in pairwise(ranges):
            assert hi < lo
            assert (owner, hi + 1) != (following, lo), "these two are one range"
        # Each decision on the way ends one range, or splits one in two.
        assert len(branch.lineage.segments) <= 2 * branch.decisions


@given(operations, st.integers(0, 30), st.integers(0, 30))
def test_a_slice_is_a_slice_of_the_copied_list(
    steps: list[tuple[str, int, int]], start: int, stop: int
) -> None:
    for name, branch in play(steps).items():
        shown = history(branch.lineage, name, branch.next_step)
        taken = list(History(name, shown.slice(start, stop)))
        assert taken == branch.shown[start : max(start, stop)]
