"""The checker's lists of steps: right decisions pass, wrong ones of a whole chain are found."""

from __future__ import annotations

from typing import Any

import pytest
from support.checker_log import Entry, check_entries
from support.checker_views import branch


class Story:
    """Entries of one session, numbered as append would."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._next: dict[str, int] = {}

    def publish(self, name: str, count: int) -> None:
        for _ in range(count):
            self._add("artifact.published", name, f"branch:{name}", {})

    def fork(self, name: str, parent: str, at: int, segments: Any, own: int) -> None:
        fields = {"parent": parent, "at": at, "segments": segments, "own": own}
        self._add("branch.forked", name, f"lineage:{name}", fields)
        self._next[f"branch:{name}"] = own

    def rewind(self, name: str, to: int, segments: Any, own: int) -> None:
        fields = {"to": to, "segments": segments, "own": own}
        self._add("branch.rewound", name, f"lineage:{name}", fields)

    def _add(self, kind: str, name: str, lane: str, header: dict[str, Any]) -> None:
        number = len(self.entries)
        index = self._next.get(lane, 0)
        self._next[lane] = index + 1
        self.entries.append(
            Entry(
                partition=0,
                position=number + 1,
                kind=kind,
                version=1,
                ref=f"{number:032x}",
                session="s",
                agent="a",
                branch=name,
                type="state" if kind == "artifact.published" else "",
                lane=lane,
                index=index,
                seq=number,
                ts="2026-01-31T12:00:00.000Z",
                at=0,
                header=header,
                digest="",
                chain="",
            )
        )

    def problems(self) -> list[str]:
        found: list[str] = []
        branch(self.entries, found)
        return found


@pytest.fixture
def story() -> Story:
    story = Story()
    story.publish("main", 4)
    return story


def test_forks_and_rewinds_that_are_right(story: Story) -> None:
    story.fork("kid", "main", 2, [["main", 0, 2]], 3)
    story.publish("kid", 2)
    story.rewind("main", 1, [["main", 0, 1]], 4)
    story.publish("main", 1)
    story.fork("late", "main", 4, [["main", 0, 1], ["main", 4, 4]], 5)
    story.rewind("kid", 3, [["main", 0, 2], ["kid", 3, 3]], 5)
    assert story.problems() == []
    rows = branch(story.entries, [])["artifacts:s:branches"]
    shown = {name: (row["length"], row["head"], row["next"]) for name, row in rows.items()}
    assert shown == {"main": (3, 4, 5), "kid": (4, 3, 5), "late": (3, 4, 5)}


@pytest.mark.parametrize(
    ("at", "segments", "own", "said"),
    [
        (2, [["main", 0, 1]], 3, "segments"),
        (2, [["main", 0, 2]], 4, "own steps from 4"),
        (7, [["main", 0, 3]], 8, "step 7 was not in"),
    ],
)
def test_a_fork_that_is_wrong(story: Story, at: int, segments: Any, own: int, said: str) -> None:
    story.fork("kid", "main", at, segments, own)
    assert any(said in problem for problem in story.problems())


@pytest.mark.parametrize(
    ("to", "segments", "own", "said"),
    [
        (1, [["main", 0, 2]], 4, "segments"),
        (1, [["main", 0, 1]], 2, "own steps from 2"),
        (9, [["main", 0, 3]], 4, "step 9 was not in"),
    ],
)
def test_a_rewind_that_is_wrong(story: Story, to: int, segments: Any, own: int, said: str) -> None:
    story.rewind("main", to, segments, own)
    assert any(said in problem for problem in story.problems())


def test_a_branch_that_was_there_cannot_be_forked(story: Story) -> None:
    story.publish("kid", 1)
    story.fork("kid", "main", 2, [["main", 0, 2]], 3)
    found: list[str] = []
    check_entries(story.entries, 1, found)
    assert any("'kid', which was there before" in problem for problem in found)
