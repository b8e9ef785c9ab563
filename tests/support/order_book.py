"""What subscriber processes did, from the book they kept; whether order was held and all given.

A place in a partition may be given again only after whoever had it died, or was told that its
commit was lost; then everything from some place on is given again, in order. A place that was
given but not confirmed, and whose holder lives, must not be given to another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Line(NamedTuple):
    """One thing that a process did."""

    what: str
    process: int
    partition: int
    position: int
    session: str


def read_book(path: Path) -> list[Line]:
    """Return what is in a book."""
    lines = (line.split(" ", 4) for line in path.read_text().splitlines())
    return [
        Line(what, int(process), int(partition), int(position), session)
        for what, process, partition, position, session in lines
    ]


@dataclass
class _Place:
    """Where a partition is: what was confirmed, what was given last, and to whom."""

    kept: int = 0
    given: int = 0
    owner: int = 0
    again: int = 0
    faults: list[str] = field(default_factory=list)

    def give(self, line: Line, killed: set[int]) -> None:
        position, process = line.position, line.process
        if process == self.owner:
            if position != self.given + 1:
                self.faults.append(f"{line}: its own last was {self.given}")
        elif position != self.given + 1:
            if not self.kept < position <= self.given:
                self.faults.append(f"{line}: given {self.given}, kept {self.kept}")
            elif self.owner not in killed:
                self.faults.append(f"{line}: given before to {self.owner}, which was not killed")
            self.again += self.given - position + 1
        self.given, self.owner = position, process


class Verdict(NamedTuple):
    """What a book shows: breaches of order, how often an event was given again, and the ends."""

    faults: list[str]
    again: int
    given: dict[int, int]


def judge(lines: Iterable[Line], killed: set[int]) -> Verdict:
    """Return what a book shows, when these processes were killed.

    What a process was told is lost is left out of the order: it was cut off for longer than its
    lease, with these events in hand, and others have had the partition since.
    """
    lines = list(lines)
    lost = {(line.process, line.partition, line.position) for line in lines if line.what == "lost"}
    places: dict[int, _Place] = {}
    for line in lines:
        place = places.setdefault(line.partition, _Place())
        if line.what == "kept":
            place.kept = max(place.kept, line.position)
        elif line.what == "given" and (line.process, *line[2:4]) not in lost:
            place.give(line, killed)
    return Verdict(
        [fault for place in places.values() for fault in place.faults],
        sum(place.again for place in places.values()),
        {partition: place.given for partition, place in places.items()},
    )
