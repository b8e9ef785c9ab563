"""Which branches of a session are pruned, and which are listed all the same. Pure.

The rows are those of the branch projection, each with its scores.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from eventstore.errors import InvalidInput
from eventstore.event import MAIN_BRANCH
from eventstore.names import check_name
from eventstore.times import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

BranchRow = dict[str, Any]
_CONDITIONS: Final = "branches, below, shorter_than, created_before or keep_best"


class PruneRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a branch has to be for its pruning; every condition that is given must hold.

    `branches` are names, none for any. `below` is a mean score, `shorter_than` a number of
    visible steps, `created_before` a time, `keep_best` how many of the best mean scores stay. A
    branch without a score is neither below one nor compared with the best. `keep` always stay.
    """

    branches: tuple[str, ...] = ()
    below: float | None = None
    shorter_than: int | None = None
    created_before: str | None = None
    keep_best: int | None = None
    keep: tuple[str, ...] = ()


class PruneVerdict(msgspec.Struct, frozen=True):
    """What becomes of a branch that meets a rule: `pruned`, or `kept` says why it stays."""

    branch_id: str
    pruned: bool
    kept: str | None
    length: int
    mean_score: float | None
    created: str


def make_rule(
    branches: Iterable[str],
    below: float | None,
    shorter_than: int | None,
    created_before: str | datetime | None,
    keep_best: int | None,
    keep: Iterable[str],
) -> PruneRule:
    """Return the rule that a caller's arguments ask for. Raises `InvalidInput` for none."""
    rule = PruneRule(
        branches=tuple(check_name("branch", name) for name in branches),
        below=None if below is None else _number("below", below),
        shorter_than=None if shorter_than is None else _count("shorter_than", shorter_than),
        created_before=(
            None if created_before is None else parse_timestamp(created_before, "created_before")
        ),
        keep_best=None if keep_best is None else _count("keep_best", keep_best),
        keep=tuple(check_name("keep", name) for name in keep),
    )
    if rule == PruneRule(keep=rule.keep):
        raise InvalidInput(f"prune: nothing says which branches; give {_CONDITIONS}")
    return rule


def hidden_branches(rows: Iterable[BranchRow]) -> set[str]:
    """Return the pruned branches that no branch which is listed comes from."""
    hidden: set[str] = set()
    needed: set[str] = set()
    # A branch comes after the one that it was forked from, unless that is "main".
    for row in _latest_first(rows):
        if row.get("pruned") and row["branch_id"] not in needed:
            hidden.add(row["branch_id"])
        else:
            needed.add(row["parent"])
    return hidden


def judge(
    rows: Sequence[BranchRow], checked_out: Mapping[str, Sequence[str]], rule: PruneRule
) -> list[PruneVerdict]:
    """Return a verdict on each branch that meets a rule, the latest first.

    `checked_out` has the agents that work on a branch. "main", what is checked out, and what a
    branch comes from that stays, are kept.
    """
    hidden = hidden_branches(rows)
    listed = [row for row in _latest_first(rows) if row["branch_id"] not in hidden]
    bar = _bar(listed, rule.keep_best)
    needed: dict[str, str] = {}
    verdicts = []
    for row in listed:
        name = row["branch_id"]
        meets = _meets(row, rule, bar)
        kept = _kept(name, checked_out, rule, needed)
        if meets:
            mean = row["scores"]["mean"]
            verdicts.append(
                PruneVerdict(name, kept is None, kept, row["length"], mean, row["created"])
            )
        # What was pruned before is listed only as long as something comes from it.
        goes = name not in needed if row.get("pruned") else meets and kept is None
        if not goes and row["parent"] is not None:
            needed.setdefault(row["parent"], name)
    return verdicts


def _meets(row: BranchRow, rule: PruneRule, bar: float | None) -> bool:
    mean = row["scores"]["mean"]
    return (
        (not rule.branches or row["branch_id"] in rule.branches)
        and (rule.below is None or (mean is not None and mean < rule.below))
        and (rule.shorter_than is None or row["length"] < rule.shorter_than)
        and (rule.created_before is None or row["created"] < rule.created_before)
        and (rule.keep_best is None or (mean is not None and bar is not None and mean < bar))
    )


def _bar(rows: Iterable[BranchRow], keep_best: int | None) -> float | None:
    """Return the mean score below which a branch is not among the best; None: all of them are."""
    means = sorted((row["scores"]["mean"] for row in rows if row["scores"]["count"]), reverse=True)
    if keep_best is None or len(means) <= keep_best:
        return None
    return means[keep_best - 1] if keep_best else math.inf


def _kept(
    name: str, checked_out: Mapping[str, Sequence[str]], rule: PruneRule, needed: Mapping[str, str]
) -> str | None:
    if name == MAIN_BRANCH:
        return f"{MAIN_BRANCH!r} is never pruned"
    if name in checked_out:
        return f"checked out by {', '.join(map(repr, checked_out[name]))}"
    if name in needed:
        return f"{needed[name]!r} comes from it"
    return "to be kept" if name in rule.keep else None


def _latest_first(rows: Iterable[BranchRow]) -> list[BranchRow]:
    return sorted(rows, key=lambda row: row["position"], reverse=True)


def _number(what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"{what}: a finite number, not {value!r}")
    return float(value)


def _count(what: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidInput(f"{what}: a whole number from 0 on, not {value!r}")
    return value
