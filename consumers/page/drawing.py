"""The two drawings of a page, as coordinates: the tree of branches, and agents as lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.page.collect import Entry

WIDTH: Final = 960
_ROW: Final = 34
_LEFT: Final = 24
_RIGHT: Final = 230
_LANE: Final = 26
_NAMES: Final = 150
_TICK: Final = 10
# So many branches are drawn; a list says the rest.
MAX_BRANCHES: Final = 60


class BranchLine(NamedTuple):
    """A branch in the tree: `path` from its fork to its head, and its label at (x, y)."""

    branch_id: str
    path: str
    x: float
    y: float
    length: int
    rewinds: int
    mean: float | None


class Tree(NamedTuple):
    """The tree of branches; `left_out` branches are not drawn."""

    lines: list[BranchLine]
    height: int
    left_out: int


class Lane(NamedTuple):
    """An agent's lane: one path a type of event, each event a stroke."""

    agent_id: str
    y: float
    strokes: list[tuple[str, str]]


class Lanes(NamedTuple):
    """All lanes; `scale` is how many units of the drawing an event takes."""

    lanes: list[Lane]
    height: int
    left: int
    scale: float


def draw_tree(branches: Sequence[Mapping[str, Any]]) -> Tree:
    """Return the tree of branches: time to the right, a row a branch, a curve at each fork."""
    drawn = branches[:MAX_BRANCHES]
    last = max((row["next"] for row in drawn), default=0) or 1
    step = (WIDTH - _LEFT - _RIGHT) / last
    places: dict[str, float] = {}
    lines = []
    for number, row in enumerate(drawn):
        y = _ROW / 2 + number * _ROW
        places[row["branch_id"]] = y
        begin = _LEFT + (0 if row["at"] is None else row["at"] + 1) * step
        end = max(_LEFT + row["next"] * step, begin + 2)
        path = f"M{begin:.1f} {y:.1f}H{end:.1f}"
        above = places.get(row["parent"])
        if above is not None:
            start = begin - min(step, 12)
            bend = f"C{begin:.1f} {above:.1f} {start:.1f} {y:.1f} {begin:.1f} {y:.1f}"
            path = f"M{start:.1f} {above:.1f}{bend}H{end:.1f}"
        mean = row["scores"]["mean"]
        lines.append(
            BranchLine(row["branch_id"], path, end, y, row["length"], row["rewinds"], mean)
        )
    return Tree(lines, len(drawn) * _ROW, len(branches) - len(drawn))


def draw_lanes(entries: Sequence[Entry]) -> Lanes:
    """Return agents as lanes, in order of appearance, and every event as a stroke in its lane."""
    agents: dict[str, dict[str, list[str]]] = {}
    scale = (WIDTH - _NAMES - _LEFT) / max(1, len(entries))
    for number, entry in enumerate(entries):
        x = _NAMES + (number + 0.5) * scale
        strokes = agents.setdefault(entry.header["agent_id"], {})
        strokes.setdefault(entry.header["type"], []).append(f"M{x:.1f} ")
    lanes = []
    for row, (agent, by_type) in enumerate(agents.items()):
        y = _LANE / 2 + row * _LANE
        top = f"{y - _TICK / 2:.1f}v{_TICK}"
        paths = [(type_, "".join(x + top for x in xs)) for type_, xs in by_type.items()]
        lanes.append(Lane(agent, y, paths))
    return Lanes(lanes, len(agents) * _LANE, _NAMES, scale)
