"""Lineages by hand: what a branch shows after forks and rewinds."""

from __future__ import annotations

import msgspec
import pytest

from eventstore.errors import NotInHistory
from eventstore.lineage import UNFORKED, History, Lineage, fork, hide, history, rewind


def test_a_branch_without_fork_or_rewind_shows_its_lane() -> None:
    assert history(UNFORKED, "main", 3).ranges == (("main", 0, 2),)
    assert list(history(UNFORKED, "main", 2)) == [("main", 0), ("main", 1)]


def test_an_empty_branch_shows_nothing() -> None:
    shown = history(UNFORKED, "main", 0)
    assert (shown.ranges, len(shown), shown.last, shown.bounds) == ((), 0, None, "no steps")
    assert 0 not in shown
    with pytest.raises(NotInHistory, match="it shows no steps"):
        fork(UNFORKED, "main", 0, 0)


def test_a_fork_shows_the_parent_up_to_and_with_its_step() -> None:
    child = fork(UNFORKED, "main", 6, 3)
    assert child == Lineage((("main", 0, 3),), 4)
    assert history(child, "b", 4).ranges == (("main", 0, 3),)
    assert history(child, "b", 6).ranges == (("main", 0, 3), ("b", 4, 5))


def test_a_rewind_hides_steps_and_never_numbers_again() -> None:
    rewound = rewind(UNFORKED, "main", 5, 1)
    assert rewound == Lineage((("main", 0, 1),), 5)
    assert list(history(rewound, "main", 7)) == [("main", n) for n in (0, 1, 5, 6)]


def test_a_rewind_to_the_last_step_changes_what_is_shown_by_nothing() -> None:
    rewound = rewind(UNFORKED, "main", 3, 2)
    assert history(rewound, "main", 3).ranges == (("main", 0, 2),)
    assert history(rewound, "main", 5).ranges == (("main", 0, 4),), "the two ranges are one"


def test_a_parent_rewound_below_the_fork_leaves_the_child_its_steps() -> None:
    child = fork(UNFORKED, "main", 6, 3)
    main = rewind(UNFORKED, "main", 6, 1)
    assert [step for _, step in history(child, "b", 6)] == [0, 1, 2, 3, 4, 5]
    assert [step for _, step in history(main, "main", 8)] == [0, 1, 6, 7]


def test_a_child_rewound_below_its_own_fork_hides_inherited_steps() -> None:
    child = fork(UNFORKED, "main", 6, 3)
    child = rewind(child, "b", 6, 1)
    assert child == Lineage((("main", 0, 1),), 6)
    assert list(history(child, "b", 7)) == [("main", 0), ("main", 1), ("b", 6)]


def test_a_fork_of_a_rewound_fork_follows_what_its_parent_shows() -> None:
    first = rewind(fork(UNFORKED, "main", 6, 3), "b", 8, 5)
    second = fork(first, "b", 10, 8)
    assert list(history(second, "c", 10)) == [
        *[("main", n) for n in range(4)],
        ("b", 4),
        ("b", 5),
        ("b", 8),
        ("c", 9),
    ]
    with pytest.raises(NotInHistory, match="does not show step 6; it shows steps 0-5, 8-9"):
        fork(first, "b", 10, 6)


def test_a_step_that_is_not_shown_can_be_neither_forked_at_nor_rewound_to() -> None:
    for step in (-1, 3, 99):
        with pytest.raises(NotInHistory):
            fork(UNFORKED, "main", 3, step)
        with pytest.raises(NotInHistory) as caught:
            rewind(UNFORKED, "main", 3, step)
        assert (caught.value.branch_id, caught.value.step_idx) == ("main", step)


def test_depth_numbers_the_visible_steps() -> None:
    shown = History("b", (("main", 0, 1), ("b", 5, 6)))
    assert [shown.depth_of(step) for _, step in shown] == [0, 1, 2, 3]
    with pytest.raises(NotInHistory):
        shown.depth_of(2)


@pytest.mark.parametrize(
    ("start", "stop", "ranges"),
    [
        (0, 4, (("main", 0, 1), ("b", 5, 6))),
        (1, 3, (("main", 1, 1), ("b", 5, 5))),
        (2, 9, (("b", 5, 6),)),
        (0, 0, ()),
        (4, 9, ()),
    ],
)
def test_a_slice_takes_steps_by_depth(
    start: int, stop: int, ranges: tuple[tuple[str, int, int], ...]
) -> None:
    assert History("b", (("main", 0, 1), ("b", 5, 6))).slice(start, stop) == ranges


def test_bounds_read_as_a_person_writes_them_and_stay_short() -> None:
    assert History("b", (("b", 4, 4),)).bounds == "step 4"
    assert History("b", (("a", 0, 3), ("b", 6, 6))).bounds == "steps 0-3, 6"
    many = History("b", tuple(("b", 2 * n, 2 * n) for n in range(100)))
    assert many.bounds == "steps 0, 2, 4, 6, 8, 10, 12, …, 198"


def test_lineage_and_lane_of_different_moments_are_refused() -> None:
    with pytest.raises(ValueError, match="one round trip"):
        history(Lineage((("main", 0, 3),), 4), "b", 3)


def test_a_lineage_is_read_from_the_state_of_its_lane() -> None:
    state = {"segments": [["main", 0, 3]], "own": 4}
    assert msgspec.convert(state, Lineage) == Lineage((("main", 0, 3),), 4)


def test_a_hidden_step_leaves_what_stands_above_it() -> None:
    hidden = hide(UNFORKED, "main", 4, 1)
    assert hidden == Lineage((("main", 0, 0), ("main", 2, 3)), 4)
    assert list(history(hidden, "main", 5)) == [("main", n) for n in (0, 2, 3, 4)]


def test_the_last_and_the_only_step_can_be_hidden() -> None:
    assert hide(UNFORKED, "main", 3, 2) == Lineage((("main", 0, 1),), 3)
    assert history(hide(UNFORKED, "main", 1, 0), "main", 1).bounds == "no steps"


def test_an_inherited_step_is_hidden_in_the_child_alone() -> None:
    child = hide(fork(UNFORKED, "main", 6, 3), "b", 5, 2)
    assert list(history(child, "b", 5)) == [("main", 0), ("main", 1), ("main", 3), ("b", 4)]
    assert len(history(UNFORKED, "main", 6)) == 6


def test_a_step_that_is_not_shown_is_not_hidden() -> None:
    once = hide(UNFORKED, "main", 3, 1)
    with pytest.raises(NotInHistory, match="does not show step 1; it shows steps 0, 2"):
        hide(once, "main", 3, 1)
