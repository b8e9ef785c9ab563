"""Which branches a rule prunes: every condition must hold, and what is needed stays."""

from __future__ import annotations

from typing import Any

import pytest

from eventstore.errors import InvalidInput
from eventstore.prune_rule import PruneVerdict, hidden_branches, judge, make_rule


class Branches:
    """The rows of a session, made by hand: "main", then forks in the order of the calls."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.fork("main", None)

    def fork(
        self, name: str, parent: str | None = "main", *, mean: float | None = None, length: int = 5
    ) -> Branches:
        count = len(self.rows) + 1
        scores = {"count": int(mean is not None), "mean": mean}
        self.rows.append(
            {
                "branch_id": name,
                "parent": parent,
                "position": count,
                "length": length,
                "created": f"2026-01-{count:02}T00:00:00.000Z",
                "scores": scores,
            }
        )
        return self

    def prune(self, *names: str) -> Branches:
        for row in self.rows:
            if row["branch_id"] in names:
                row["pruned"] = {"ref": "1" * 32}
        return self

    def judge(self, *names: str, out: dict[str, list[str]] | None = None, **conditions: Any) -> Any:
        given = {
            **dict.fromkeys(("below", "shorter_than", "created_before", "keep_best")),
            "keep": (),
            **conditions,
        }
        return judge(self.rows, out or {}, make_rule(names, **given))


def pruned(verdicts: list[PruneVerdict]) -> list[str]:
    return sorted(verdict.branch_id for verdict in verdicts if verdict.pruned)


def kept(verdicts: list[PruneVerdict]) -> dict[str, str | None]:
    return {verdict.branch_id: verdict.kept for verdict in verdicts if not verdict.pruned}


def test_a_branch_without_a_score_is_compared_with_nothing() -> None:
    tree = Branches().fork("a", mean=0.2).fork("b", mean=0.8).fork("unscored")
    assert pruned(tree.judge(below=0.5)) == ["a"]
    assert pruned(tree.judge(below=1e9)) == ["a", "b"]
    assert pruned(tree.judge(keep_best=0)) == ["a", "b"]


def test_the_best_stay_and_those_that_tie_with_them() -> None:
    tree = Branches().fork("a", mean=0.2).fork("b", mean=0.8).fork("c", mean=0.8).fork("d", mean=1)
    assert pruned(tree.judge(keep_best=1)) == ["a", "b", "c"]
    assert pruned(tree.judge(keep_best=2)) == ["a"]
    assert pruned(tree.judge(keep_best=9)) == []


def test_every_condition_must_hold() -> None:
    tree = Branches().fork("a", mean=0.2, length=9).fork("b", mean=0.2).fork("c", mean=0.2)
    assert pruned(tree.judge(below=0.5, shorter_than=9)) == ["b", "c"]
    assert pruned(tree.judge(below=0.5, created_before="2026-01-03T00:00:00Z")) == ["a"]
    assert pruned(tree.judge("b", "c", shorter_than=5)) == []
    assert pruned(tree.judge("b", keep=["b"])) == []
    assert kept(tree.judge("b", keep=["b"])) == {"b": "to be kept"}


def test_main_and_what_is_checked_out_stay() -> None:
    tree = Branches().fork("a").fork("b")
    verdicts = tree.judge(shorter_than=99, out={"a": ["writer", "critic"]})
    assert pruned(verdicts) == ["b"]
    assert kept(verdicts) == {
        "main": "'main' is never pruned",
        "a": "checked out by 'writer', 'critic'",
    }


def test_what_a_branch_comes_from_that_stays_is_kept() -> None:
    tree = Branches().fork("a").fork("b", "a").fork("c", "b", mean=0.9).fork("d", "a")
    verdicts = tree.judge("a", "b", "d")
    assert pruned(verdicts) == ["d"]
    assert kept(verdicts) == {"b": "'c' comes from it", "a": "'b' comes from it"}
    assert pruned(tree.judge("a", "b", "c", "d")) == ["a", "b", "c", "d"]


def test_those_that_others_come_from_are_last() -> None:
    tree = Branches().fork("a").fork("b", "a").fork("c", "b")
    assert [verdict.branch_id for verdict in tree.judge("a", "b", "c")] == ["c", "b", "a"]


def test_a_pruned_branch_is_hidden_unless_a_listed_one_comes_from_it() -> None:
    tree = Branches().fork("a").fork("b", "a").fork("c", "b").prune("a", "b")
    assert hidden_branches(tree.rows) == set()
    assert hidden_branches(tree.prune("c").rows) == {"a", "b", "c"}
    assert tree.judge(shorter_than=99) == [
        PruneVerdict("main", False, "'main' is never pruned", 5, None, "2026-01-01T00:00:00.000Z")
    ]


def test_what_was_pruned_before_goes_with_the_last_that_came_from_it() -> None:
    tree = Branches().fork("a").fork("b", "a").fork("c", "b").prune("b")
    assert pruned(tree.judge("a", "c")) == ["a", "c"]


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({}, "nothing says which branches"),
        ({"keep": ["a"]}, "nothing says which branches"),
        ({"below": float("nan")}, "below: a finite number"),
        ({"below": True}, "below: a finite number"),
        ({"below": "1"}, "below: a finite number"),
        ({"shorter_than": -1}, "shorter_than: a whole number"),
        ({"keep_best": 1.5}, "keep_best: a whole number"),
        ({"created_before": "2026-01-01"}, "created_before: "),
    ],
)
def test_what_is_no_condition_is_refused(conditions: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Branches().judge(**conditions)
