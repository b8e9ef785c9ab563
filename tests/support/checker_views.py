"""The read models, folded naively from the log: whole keys of one partition, no batches, no state.

What a branch shows is computed by copying lists, not by the program's ranges, so that the
lineage which each fork and rewind recorded is checked as well.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from support.checker_log import by_session, escaped

if TYPE_CHECKING:
    from support.checker_books import Image
    from support.checker_log import Entry

    Shown: TypeAlias = dict[tuple[str, str], list[tuple[str, int]]]

_LEAN = (
    "ref", "agent_id", "branch_id", "episode_id", "group_id", "type", "ts", "parent_refs",
    "role", "status", "score", "target", "evaluator_id", "tool_name", "tool_call_id", "model",
    "cost_usd", "step_idx", "seq", "position",
)  # fmt: skip


_AMENDED = (
    "mime", "role", "score", "metrics", "status", "evaluator_id", "evaluator_version",
    "tool_name", "tool_call_id", "model", "cost_usd", "latency_ms", "prompt_tokens",
    "completion_tokens",
)  # fmt: skip
_STACK = ("state", "tool_call", "tool_result")
_LINEAGE = ("branch.forked", "branch.rewound", "branch.popped")
_BACK = ("artifact.published", *_LINEAGE, "branch.checked_out", "branch.unpruned")


def index(entries: list[Entry]) -> Image:
    """Return the lean and the full header of every artifact, by session and ref."""
    image: Image = {}
    for name, artifacts in by_session(_artifacts(entries)).items():
        headers = {entry.ref: header_of(entry) for entry in artifacts}
        for amendment in by_session(_amendments(entries)).get(name, []):
            _amend(headers[amendment.header["target"]], amendment)
        image[key_of(name, "headers")] = headers
        image[key_of(name, "index")] = {ref: _lean(header) for ref, header in headers.items()}
    return image


def header_of(entry: Entry) -> dict[str, Any]:
    """Return the header that a reader gets."""
    header = {name: value for name, value in entry.header.items() if value is not None}
    header.pop("defaulted", None)
    header.pop("payload", None)
    if entry.payload is not None:
        header["payload"] = entry.payload
    return {
        "episode_id": "0",
        "meta": {},
        "parent_refs": [],
        **header,
        "ref": entry.ref,
        "session_id": entry.session,
        "agent_id": entry.agent,
        "branch_id": entry.branch,
        "type": entry.type or entry.kind,
        "ts": entry.ts,
        "step_idx": entry.index,
        "seq": entry.seq,
        "position": entry.position,
    }


def _amend(header: dict[str, Any], amendment: Entry) -> None:
    """Let a header say what an amendment has: all of it, so that what is not there is gone."""
    said = dict(amendment.header)
    view = {name: said.get(name) for name in _AMENDED}
    view["target"] = said.get("judged")
    header.update({name: value for name, value in view.items() if value is not None})
    for name, value in view.items():
        if value is None:
            header.pop(name, None)
    header["meta"] = said.get("meta", {})
    header["parent_refs"] = said.get("parent_refs", [])
    header["payload"] = amendment.payload
    header["amended"] = {
        "ref": amendment.ref,
        "by": amendment.agent,
        "ts": amendment.ts,
        "position": amendment.position,
        **({"reason": said["reason"]} if "reason" in said else {}),
    }


def _lean(header: dict[str, Any]) -> dict[str, Any]:
    lean = {name: header[name] for name in _LEAN if name in header}
    if not header["parent_refs"]:
        del lean["parent_refs"]
    if _tags(header["meta"]):
        lean["tags"] = _tags(header["meta"])
    return lean


def _tags(meta: dict[str, Any]) -> list[str]:
    tags: list[str] = []
    for tag in meta.get("tags", []):
        if tag not in tags:
            tags.append(tag)
    return tags


def timeline(entries: list[Entry]) -> Image:
    """Return the sorted sets by event time: all of a session, and by tag, type, agent, branch."""
    image: Image = {}
    metas = {entry.ref: entry.header.get("meta", {}) for entry in _artifacts(entries)}
    for entry in _amendments(entries):
        metas[entry.header["target"]] = entry.header.get("meta", {})
    for entry in _artifacts(entries):
        places = [
            ("timeline",),
            ("type", entry.type),
            ("agent", entry.agent),
            ("on", entry.branch),
            *(("tag", tag) for tag in {entry.type, *_tags(metas[entry.ref])}),
        ]
        moment = datetime.fromisoformat(entry.ts)
        score = int(moment.timestamp()) * 1000 + moment.microsecond // 1000
        for place in places:
            image.setdefault(key_of(entry.session, *place), {})[_member(entry)] = float(score)
    return image


def branch(entries: list[Entry], problems: list[str]) -> Image:
    """Return the steps and the row of every branch; a lineage that is wrong is a problem."""
    image: Image = {}
    shown: Shown = {}
    past = _Past(entries)
    for entry in entries:
        _prune(entry, image.get(key_of(entry.session, "branches"), {}))
        if entry.kind in ("artifact.published", *_LINEAGE):
            steps = shown.setdefault((entry.session, entry.branch), [])
            rows = image.setdefault(key_of(entry.session, "branches"), {})
            row = rows.setdefault(entry.branch, _new_row(entry))
            if entry.kind == "artifact.published":
                _step(entry, image)
                steps.append((entry.branch, entry.index))
                row["next"] = entry.index + 1
            else:
                decisions = image.setdefault(key_of(entry.session, "lineage", entry.branch), {})
                decisions[_member(entry)] = float(entry.position)
                _change(entry, row, steps, past.source(entry, shown), problems)
            row["head"] = steps[-1][1] if steps else None
            row["length"] = len(steps)
        past.keep(entry, shown)
    return image


def _prune(entry: Entry, rows: dict[str, Any]) -> None:
    """Mark a branch as pruned, or no more once it is worked on."""
    if entry.kind == "branch.pruned":
        rows[entry.branch]["pruned"] = {
            "ref": entry.ref,
            "by": entry.agent,
            "ts": entry.ts,
            **({"reason": entry.header["reason"]} if "reason" in entry.header else {}),
        }
    elif entry.kind in _BACK:
        rows.get(entry.branch, {}).pop("pruned", None)


def _step(entry: Entry, image: Image) -> None:
    """Take an artifact into the steps of its branch, and into its agent's stack."""
    own = image.setdefault(key_of(entry.session, "branch", entry.branch), {})
    own[_member(entry)] = float(entry.index)
    if entry.type in _STACK:
        stack = key_of(entry.session, "stack", entry.branch, entry.agent)
        image.setdefault(stack, {})[_member(entry)] = float(entry.index)


class _Past:
    """What branches showed after each event, of the sessions of which the past was forked."""

    def __init__(self, entries: list[Entry]) -> None:
        forked = (entry for entry in entries if entry.header.get("as_of") is not None)
        self._kept: dict[str, dict[int, Shown]] = {entry.session: {} for entry in forked}

    def keep(self, entry: Entry, shown: Shown) -> None:
        if entry.session in self._kept:
            of_session = {at: list(steps) for at, steps in shown.items() if at[0] == entry.session}
            self._kept[entry.session][entry.seq] = of_session

    def source(self, entry: Entry, shown: Shown) -> list[tuple[str, int]]:
        """Return what a decision was made from: what a branch shows, or showed at a moment."""
        as_of = entry.header.get("as_of")
        then = shown if as_of is None else self._kept[entry.session].get(as_of, {})
        return then.get((entry.session, entry.header.get("parent", entry.branch)), [])


def _new_row(entry: Entry) -> dict[str, Any]:
    return {
        "branch_id": entry.branch,
        "segments": [],
        "own": 0,
        "next": 0,
        "parent": None,
        "at": None,
        "forked_by": None,
        "rewinds": 0,
        "pops": 0,
        "created": entry.ts,
        "position": entry.position,
    }


def _change(
    entry: Entry,
    row: dict[str, Any],
    steps: list[tuple[str, int]],
    source: list[tuple[str, int]],
    problems: list[str],
) -> None:
    """Make the list of a branch what its fork, rewind or pop says, by copying."""
    forked = entry.kind == "branch.forked"
    kept = _kept(entry, source, problems)
    if entry.header["segments"] != _ranges(kept):
        problems.append(f"{entry.where}: segments {entry.header['segments']}, for {_ranges(kept)}")
    if entry.header["own"] != (entry.header["at"] + 1 if forked else row["next"]):
        problems.append(f"{entry.where}: own steps from {entry.header['own']}")
    steps[:] = kept
    row.update(segments=entry.header["segments"], own=entry.header["own"])
    row["next"] = max(row["next"], row["own"])
    if forked:
        at = entry.header["at"]
        row.update(parent=entry.header["parent"], at=at, forked_by=entry.ref)
    else:
        row["rewinds" if entry.kind == "branch.rewound" else "pops"] += 1


def _kept(
    entry: Entry, source: list[tuple[str, int]], problems: list[str]
) -> list[tuple[str, int]]:
    """Return the steps of the source that a fork, rewind or pop goes on showing."""
    if entry.kind == "branch.popped":
        kept = [step for step in source if step[1] != entry.header["step"]]
        if len(kept) != len(source) - 1:
            problems.append(f"{entry.where}: step {entry.header['step']} was not in what it popped")
        return kept
    last = entry.header["at" if entry.kind == "branch.forked" else "to"]
    kept = [step for step in source if step[1] <= last]
    if not kept or kept[-1][1] != last:
        problems.append(f"{entry.where}: step {last} was not in what was forked or rewound")
    return kept


def _ranges(steps: list[tuple[str, int]]) -> list[list[Any]]:
    breaks = [
        number
        for number, (before, after) in enumerate(pairwise(steps), start=1)
        if after != (before[0], before[1] + 1)
    ]
    starts, ends = [0, *breaks], [*breaks, len(steps)]
    return [
        [steps[start][0], steps[start][1], steps[end - 1][1]]
        for start, end in zip(starts, ends, strict=True)
        if start < end
    ]


def _amendments(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.kind == "artifact.amended"]


def _artifacts(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.kind == "artifact.published"]


def key_of(session: str, *parts: str) -> str:
    """Return a read model's key behind the partition's prefix: a family, then a name."""
    return ":".join(["artifacts", escaped(session), parts[0], *map(escaped, parts[1:])])


def _member(entry: Entry) -> str:
    return f"{entry.position:016x}:{entry.ref}"
