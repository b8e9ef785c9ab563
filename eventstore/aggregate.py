"""Scores of runs taken together: mean, standard error, and pass^k. Pure.

pass^k estimates the chance that k runs of one task all succeed: the mean over tasks (groups) of
C(c, k) / C(n, k), where c of a task's n runs succeeded. A run succeeded if its score is 1,
give or take 1e-6, as tau-bench counts.

Unscored runs are no zeros, but leaving them out flatters whoever fails without a verdict, so
pass^k is given twice: with unscored runs as failures, and over scored runs only.
"""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING, Final

import msgspec

from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SUCCESS_SCORE: Final = 1.0
SUCCESS_TOLERANCE: Final = 1e-6


class Aggregate(msgspec.Struct, frozen=True):
    """What a set of runs scored; the fields are the keys of its JSON.

    `count` is of all runs, `unscored` of those without a score. `mean` and `stderr` (sample
    standard deviation over the root of the number) are of the scored runs; None means unknown:
    no scored run, and for `stderr` fewer than two.

    The pass^k lists hold the estimates for k = 1, 2, … up to the most runs that any group has.
    With unscored runs as failures, n is all runs of a group; over scored runs only, n is the
    scored ones. A group with n < k is left out; None if that leaves no group.
    """

    count: int
    unscored: int
    mean: float | None
    stderr: float | None
    pass_hat_k_unscored_as_failures: list[float | None]
    pass_hat_k_scored_only: list[float | None]


def aggregate(runs: Iterable[tuple[str | None, float | None]]) -> Aggregate:
    """Return the aggregate of runs given as (group, score); a score of None is unscored.

    A run whose group is None is a group of its own. Raises `InvalidInput` for a score that is
    not finite.
    """
    groups: dict[str | int, list[float | None]] = defaultdict(list)
    for number, (group, score) in enumerate(runs):
        if score is not None and not math.isfinite(score):
            raise InvalidInput(f"run {number} has the score {score}; a score is a finite number")
        groups[number if group is None else group].append(score)
    everything = [score for scores in groups.values() for score in scores]
    scored = [score for score in everything if score is not None]
    most = max((len(scores) for scores in groups.values()), default=0)
    all_tallies = [_tally(scores) for scores in groups.values()]
    scored_tallies = [
        _tally([score for score in scores if score is not None]) for scores in groups.values()
    ]
    return Aggregate(
        count=len(everything),
        unscored=len(everything) - len(scored),
        mean=fmean(scored) if scored else None,
        stderr=_standard_error(scored),
        pass_hat_k_unscored_as_failures=_pass_hat(all_tallies, most),
        pass_hat_k_scored_only=_pass_hat(scored_tallies, most),
    )


def _tally(scores: Sequence[float | None]) -> tuple[int, int]:
    """Return how many of a group's runs succeeded, and how many there are."""
    return sum(map(_is_success, scores)), len(scores)


def _is_success(score: float | None) -> bool:
    return score is not None and abs(score - SUCCESS_SCORE) <= SUCCESS_TOLERANCE


def _standard_error(scores: Sequence[float]) -> float | None:
    count = len(scores)
    if count < 2:
        return None
    deviations = math.dist(scores, [fmean(scores)] * count)
    return deviations / math.sqrt(count * (count - 1))


def _pass_hat(tallies: Sequence[tuple[int, int]], most: int) -> list[float | None]:
    return [_pass_hat_k(tallies, k) for k in range(1, most + 1)]


def _pass_hat_k(tallies: Sequence[tuple[int, int]], k: int) -> float | None:
    chances = [math.comb(c, k) / math.comb(n, k) for c, n in tallies if n >= k]
    return math.fsum(chances) / len(chances) if chances else None
