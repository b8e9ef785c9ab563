"""A session as the template wants it: plain values, ready to be written."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from consumers.page.collect import raw
from consumers.page.drawing import Lanes, Tree, draw_lanes, draw_tree
from consumers.page.reading import Block, blocks_of, role_of
from eventstore.lineage import Lineage, history
from eventstore.tracing import shown_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.page.collect import Entry, Session


class Row(NamedTuple):
    """One event of the list; None is unknown."""

    seq: int
    step: int
    ref: str
    time: str
    agent: str
    branch: str
    type: str
    role: str | None
    what: str | None
    status: str | None
    score: float | None
    tokens: int | None
    cost: float | None
    duration: str | None
    depth: int
    blocks: list[Block]


class Totals(NamedTuple):
    """What a session comes to; None is unknown, and unknown is not zero."""

    events: int
    first: str
    last: str
    elapsed: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    scores: int
    unscored: int
    mean_score: float | None


class Model(NamedTuple):
    """All that the template is given; `data` is JSON that is safe inside a script element."""

    session_id: str
    title: str | None
    totals: Totals
    agents: list[str]
    types: list[str]
    branches: list[dict[str, Any]]
    pruned: int
    tree: Tree
    lanes: Lanes
    rows: list[Row]
    data: str


def model_of(session: Session) -> Model:
    """Return what a page says of a session."""
    entries = session.entries
    headers = [entry.header for entry in entries]
    return Model(
        session_id=session.session_id,
        title=next((header["title"] for header in headers if header.get("title")), None),
        totals=_totals(entries),
        agents=list(dict.fromkeys(header["agent_id"] for header in headers)),
        types=list(dict.fromkeys(header["type"] for header in headers)),
        branches=session.branches,
        pruned=session.pruned,
        tree=draw_tree(session.branches),
        lanes=draw_lanes(entries),
        rows=[_row(entry) for entry in entries],
        data=_script_json(
            {
                # As text, since a script's numbers would not hold every integer.
                "rows": [_raw_text(entry) for entry in entries],
                "shown": {row["branch_id"]: _shown(row) for row in session.branches},
            }
        ),
    )


def _row(entry: Entry) -> Row:
    header, payload = entry.header, entry.payload
    tokens = [header.get("prompt_tokens"), header.get("completion_tokens")]
    return Row(
        seq=header["seq"],
        step=header["step_idx"],
        ref=header["ref"],
        time=header["ts"],
        agent=header["agent_id"],
        branch=header["branch_id"],
        type=header["type"],
        role=None if role_of(payload) == entry.interaction.what else role_of(payload),
        what=entry.interaction.what,
        status=header.get("status"),
        score=header.get("score"),
        tokens=_sum(tokens),
        cost=header.get("cost_usd"),
        duration=shown_duration(entry.interaction.duration_ms, entry.interaction.measured),
        depth=entry.interaction.depth,
        blocks=blocks_of(header["type"], payload),
    )


def _totals(entries: Sequence[Entry]) -> Totals:
    headers = [entry.header for entry in entries]
    times = sorted(header["ts"] for header in headers)
    judged = [header for header in headers if header["type"] in _VERDICTS]
    scores = [header["score"] for header in judged if header.get("score") is not None]
    return Totals(
        events=len(headers),
        first=times[0],
        last=times[-1],
        elapsed=_elapsed(times[0], times[-1]),
        prompt_tokens=_sum(header.get("prompt_tokens") for header in headers),
        completion_tokens=_sum(header.get("completion_tokens") for header in headers),
        cost=_sum(header.get("cost_usd") for header in headers),
        scores=len(scores),
        unscored=len(judged) - len(scores),
        mean_score=sum(scores) / len(scores) if scores else None,
    )


_VERDICTS = ("evaluation", "evaluation.completed")


def _sum(values: Iterable[Any]) -> Any:
    """Return the sum of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _elapsed(first: str, last: str) -> str | None:
    """Return the time between two; None for a single moment, as of a run imported without times."""
    if first == last:
        return None
    seconds = (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _shown(row: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Return the ranges of steps that a branch shows, by the branch that appended them."""
    lineage = Lineage(tuple(tuple(each) for each in row["segments"]), row["own"])
    return list(history(lineage, row["branch_id"], row["next"]).ranges)


def _raw_text(entry: Entry) -> str:
    return json.dumps(raw(entry), ensure_ascii=False, indent=1)


def _script_json(value: Any) -> str:
    """Return JSON that ends no script element and is no comment in one."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
