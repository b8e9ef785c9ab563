"""What a branch shows: the steps it inherited at its fork, and its own, minus what was rewound.

A branch's lineage is `segments`, ranges of steps it does not append to any more, and `own`, the
first step of the range it appends to. Nothing is copied and nothing is renumbered: a step keeps
the branch that appended it (its *owner*) and its `step_idx`, which rises strictly along every
history but may leap where steps were rewound. `depth` 0, 1, 2 … numbers the visible steps.

The functions are pure. A decision about a branch reads its lineage and lane, calls one of them
and appends the result, expecting both to be unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from eventstore.errors import NotInHistory
from eventstore.events import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_RANGES_SHOWN: Final = 8


class Lineage(msgspec.Struct, frozen=True):
    """The state of a lineage lane: (owner, first step, last step) ranges, and the own first step.

    Segments are in order, none is empty, and two that touch have different owners.
    """

    segments: tuple[Segment, ...] = ()
    own: int = 0


UNFORKED: Final = Lineage()
"""The lineage of a branch without fork or rewind, such as a new "main"."""


@dataclass(frozen=True, slots=True)
class History:
    """The visible steps of one branch, as (owner, first step, last step) ranges in order.

    `len` counts steps, `in` asks whether a `step_idx` is visible.
    """

    branch: str
    ranges: tuple[Segment, ...]

    def __len__(self) -> int:
        return sum(hi - lo + 1 for _, lo, hi in self.ranges)

    def __contains__(self, step_idx: object) -> bool:
        return any(lo <= step_idx <= hi for _, lo, hi in self.ranges if isinstance(step_idx, int))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Yield (owner, step_idx) of every visible step, the first one first."""
        for owner, lo, hi in self.ranges:
            for step_idx in range(lo, hi + 1):
                yield owner, step_idx

    @property
    def last(self) -> int | None:
        """The last visible step, None if there is none."""
        return self.ranges[-1][2] if self.ranges else None

    @property
    def bounds(self) -> str:
        """The visible steps as a person reads them, for example `0-3, 6-9`."""
        if not self.ranges:
            return "no steps"
        merged = _normalised(("", lo, hi) for _, lo, hi in self.ranges)
        shown = [f"{lo}-{hi}" if lo < hi else str(lo) for _, lo, hi in merged]
        if len(shown) > _RANGES_SHOWN:
            shown = [*shown[: _RANGES_SHOWN - 1], "…", shown[-1]]
        return f"{'step' if len(self) == 1 else 'steps'} {', '.join(shown)}"

    def depth_of(self, step_idx: int) -> int:
        """Return how many visible steps come before this one. Raises `NotInHistory`."""
        before = 0
        for _, lo, hi in self.ranges:
            if lo <= step_idx <= hi:
                return before + step_idx - lo
            before += hi - lo + 1
        raise self._not_shown(step_idx)

    def slice(self, start: int, stop: int) -> tuple[Segment, ...]:
        """Return the ranges of the steps at depth `start` up to but not `stop`."""
        found: list[Segment] = []
        depth = 0
        for owner, lo, hi in self.ranges:
            first, last = lo + max(start - depth, 0), min(lo + stop - depth - 1, hi)
            if first <= last:
                found.append((owner, first, last))
            depth += hi - lo + 1
        return tuple(found)

    def cut(self, at: int) -> tuple[Segment, ...]:
        """Return the ranges up to and including step `at`. Raises `NotInHistory`."""
        return self.slice(0, self.depth_of(at) + 1)

    def _not_shown(self, step_idx: int) -> NotInHistory:
        return NotInHistory(self.branch, step_idx, self.bounds)


def history(lineage: Lineage, branch: str, next_step: int) -> History:
    """Return what a branch shows; `next_step` is the next index of its lane.

    Lineage and lane must have been read together: a lane that ends before `own` is of another
    moment, and is refused with `ValueError`.
    """
    if next_step < lineage.own:
        raise ValueError(
            f"branch {branch!r} owns steps from {lineage.own}, but its lane is at {next_step}; "
            "read lineage and lane in one round trip"
        )
    return History(branch, _normalised((*lineage.segments, (branch, lineage.own, next_step - 1))))


def fork(parent: Lineage, parent_branch: str, parent_next: int, at: int) -> Lineage:
    """Return the lineage of a child that shows its parent's history up to step `at`.

    The child's lane begins at the returned `own`. Raises `NotInHistory` if the parent does not
    show `at`.
    """
    return Lineage(history(parent, parent_branch, parent_next).cut(at), at + 1)


def rewind(lineage: Lineage, branch: str, next_step: int, to: int) -> Lineage:
    """Return the lineage of a branch that shows its history up to step `to`, then new steps.

    Steps are never numbered twice: the branch goes on at `next_step`. Raises `NotInHistory` if
    the branch does not show `to`.
    """
    return Lineage(history(lineage, branch, next_step).cut(to), next_step)


def hide(lineage: Lineage, branch: str, next_step: int, step: int) -> Lineage:
    """Return the lineage of a branch that shows its history without one step, then new steps.

    Raises `NotInHistory` if the branch does not show `step`.
    """
    shown = history(lineage, branch, next_step)
    depth = shown.depth_of(step)
    return Lineage(shown.slice(0, depth) + shown.slice(depth + 1, len(shown)), next_step)


def _normalised(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Return ranges without empty ones, those of one owner that touch made one."""
    result: list[Segment] = []
    for owner, lo, hi in segments:
        if lo > hi:
            continue
        if result and result[-1][0] == owner and result[-1][2] + 1 == lo:
            owner, lo, _ = result.pop()
        result.append((owner, lo, hi))
    return tuple(result)
