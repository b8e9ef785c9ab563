"""Aggregates of scores: known figures, the definition, and what is unknown."""

from __future__ import annotations

import itertools
import math
import statistics
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tau_data import eight_records

from eventstore.aggregate import aggregate
from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

Runs = list[tuple[str, float | None]]
scores = st.one_of(st.none(), st.sampled_from([0.0, 1.0]), st.floats(-5, 5))
runs_lists = st.lists(st.tuples(st.sampled_from("abcd"), scores), max_size=16)


# The four trials of tasks 0 to 39 of the runs in tests/data/tau-bench/README.md; ? is not judged.
OUTCOMES = """
0000 0100 0?10 0000 0000 0100 1000 0010 0000 00??
0000 1000 1111 0110 0000 0011 0001 0001 1111 0000
1111 0111 0000 0000 1111 0000 1010 0110 0000 1000
0101 1001 0000 ?000 1101 1111 1111 0111 1111 1000
"""


def runs_of(records: list[dict[str, Any]]) -> Runs:
    """What an import makes of records, spelled out anew."""
    return [
        (str(r["task_id"]), None if r["info"]["reward_info"] is None else r["reward"])
        for r in records
    ]


def test_the_eight_runs() -> None:
    result = aggregate(runs_of(eight_records()))
    assert (result.count, result.unscored) == (8, 2)
    assert result.mean == 0.5
    assert result.stderr == pytest.approx(math.sqrt(0.3 / 6))
    # Tasks 33, 2, 8 failed, 13, 15, 38 passed, 39 has two failed runs.
    assert result.pass_hat_k_unscored_as_failures == [pytest.approx(3 / 7), 0.0]
    assert result.pass_hat_k_scored_only == [pytest.approx(3 / 5), 0.0]


def test_160_recorded_runs_give_the_published_figures() -> None:
    runs: Runs = [
        (str(task), None if outcome == "?" else float(outcome))
        for task, outcomes in enumerate(OUTCOMES.split())
        for outcome in outcomes
    ]
    result = aggregate(runs)
    assert (result.count, result.unscored) == (160, 4)
    failures = [0.36875, 0.2375, 0.19375, 0.175]
    assert result.pass_hat_k_unscored_as_failures == pytest.approx(failures, abs=1e-12)
    scored_only = [0.3708, 0.2375, 0.1987, 0.1892]
    assert result.pass_hat_k_scored_only == pytest.approx(scored_only, abs=5e-5)
    assert result.mean == pytest.approx(59 / 156)


def test_nothing_scored_is_unknown_and_not_zero() -> None:
    result = aggregate([("a", None), ("a", None), ("b", None)])
    assert (result.count, result.unscored) == (3, 3)
    assert result.mean is None
    assert result.stderr is None
    assert result.pass_hat_k_scored_only == [None, None]
    assert result.pass_hat_k_unscored_as_failures == [0.0, 0.0]


def test_no_runs_at_all() -> None:
    empty: dict[str, Any] = {
        "count": 0,
        "unscored": 0,
        "mean": None,
        "stderr": None,
        "pass_hat_k_unscored_as_failures": [],
        "pass_hat_k_scored_only": [],
    }
    assert msgspec.to_builtins(aggregate([])) == empty


def test_one_score_has_a_mean_and_no_error() -> None:
    result = aggregate([("a", 1.0)])
    assert (result.mean, result.stderr) == (1.0, None)


def test_groups_with_fewer_runs_than_k_are_left_out() -> None:
    runs: Runs = [("a", 1.0), ("a", 1.0), ("b", 0.0), ("c", 1.0), ("c", None)]
    result = aggregate(runs)
    assert result.pass_hat_k_unscored_as_failures == [pytest.approx((1 + 0 + 0.5) / 3), 0.5]
    assert result.pass_hat_k_scored_only == [pytest.approx(2 / 3), 1.0]


def test_runs_without_a_group_are_groups_of_their_own() -> None:
    result = aggregate([(None, 1.0), (None, 0.0)])
    assert result.pass_hat_k_scored_only == [0.5]


@pytest.mark.parametrize(
    ("score", "success"),
    [(1.0, True), (1, True), (1 - 1e-7, True), (1 + 1e-7, True), (0.999, False), (2.0, False)],
)
def test_a_success_is_a_score_of_one(score: float, success: bool) -> None:
    assert aggregate([("a", score)]).pass_hat_k_scored_only == [1.0 if success else 0.0]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(InvalidInput, match="run 1 has the score"):
        aggregate([("a", 1.0), ("a", score)])


def all_pass(scores: Sequence[float | None], k: int) -> list[bool]:
    """Whether all succeed, for every choice of k runs: pass^k by its meaning."""
    success = [score is not None and abs(score - 1) <= 1e-6 for score in scores]
    return [all(chosen) for chosen in itertools.combinations(success, k)]


def by_meaning(groups: list[list[float | None]], k: int) -> float | None:
    shares = [statistics.fmean(all_pass(group, k)) for group in groups if len(group) >= k]
    return statistics.fmean(shares) if shares else None


@given(runs_lists)
def test_pass_hat_k_is_the_share_of_choices_that_all_pass(runs: Runs) -> None:
    result = aggregate(runs)
    groups = [[s for name, s in runs if name == group] for group in {name for name, _ in runs}]
    scored: list[list[float | None]] = [[s for s in group if s is not None] for group in groups]
    most = max(map(len, groups), default=0)
    assert len(result.pass_hat_k_scored_only) == most
    for k in range(1, most + 1):
        for value, expected in (
            (result.pass_hat_k_unscored_as_failures[k - 1], by_meaning(groups, k)),
            (result.pass_hat_k_scored_only[k - 1], by_meaning(scored, k)),
        ):
            assert value == (None if expected is None else pytest.approx(expected))


@given(runs_lists, st.randoms())
def test_the_order_of_runs_does_not_matter(runs: Runs, chance: Random) -> None:
    shuffled = chance.sample(runs, len(runs))
    assert aggregate(shuffled).pass_hat_k_scored_only == aggregate(runs).pass_hat_k_scored_only


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_mean_and_standard_error_are_those_of_statistics(values: list[float]) -> None:
    result = aggregate([("a", value) for value in values])
    assert result.mean == pytest.approx(statistics.fmean(values))
    expected = statistics.stdev(values) / math.sqrt(len(values))
    assert result.stderr == pytest.approx(expected, rel=1e-6, abs=1e-9)
