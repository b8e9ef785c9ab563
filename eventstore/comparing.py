"""What differs between two branches of a session: steps, their contents, their costs. Pure.

Branches are compared behind the steps that both show as the same events. There, steps are
aligned by type, tool and arguments, so that an inserted step stands alone and those after it
keep their partners: first those whose content is equal too, then those between them that agree
in type, tool and arguments, then those between these that agree in type and tool.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from eventstore.aligning import common_pairs
from eventstore.json_changes import Change, changes
from eventstore.json_values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from eventstore.lineage import History
    from eventstore.operations import Row

SUMMED: Final = ("cost_usd", "latency_ms", "prompt_tokens", "completion_tokens")
# What says of a step who made it of what; numbers and ids of one event are no difference.
_COMPARED: Final = (
    "type", "agent_id", "role", "tool_name", "mime", "model", "status", "score", "metrics",
    "evaluator_id", "evaluator_version", "meta",
)  # fmt: skip
_ENVELOPE: Final = ("id", "name", "tool", "tool_name", "tool_call_id", "call_id")


class StepView(msgspec.Struct, frozen=True):
    """A step as a comparison names it."""

    ref: str
    step_idx: int
    depth: int
    agent_id: str
    type: str
    tool_name: str | None


class StepDiff(msgspec.Struct, frozen=True):
    """A step of one branch, of the other, or of both and then what changed from `a` to `b`."""

    op: Literal["same", "changed", "added", "removed"]
    a: StepView | None
    b: StepView | None
    changes: tuple[Change, ...] = ()


class Difference(msgspec.Struct, frozen=True):
    """A number of each branch and `delta`, b - a; None is unknown, which is not zero."""

    a: float | None
    b: float | None
    delta: float | None


class BranchDiff(msgspec.Struct, frozen=True):
    """Two branches compared: `common` steps are the same events, `steps` are those after them.

    `totals` has cost_usd, latency_ms, prompt_tokens and completion_tokens, summed over those
    steps that say them, and `score`, the mean of each whole branch.
    """

    session_id: str
    a: str
    b: str
    common: int
    steps: tuple[StepDiff, ...]
    totals: dict[str, Difference]


def common_depth(a: History, b: History) -> int:
    """Return how many steps two histories begin with that are the same events."""
    depth = 0
    for (owner_a, lo_a, hi_a), (owner_b, lo_b, hi_b) in zip(a.ranges, b.ranges, strict=False):
        if (owner_a, lo_a) != (owner_b, lo_b):
            break
        depth += min(hi_a, hi_b) - lo_a + 1
        if hi_a != hi_b:
            break
    return depth


def compare_steps(a: Sequence[Row], b: Sequence[Row]) -> tuple[StepDiff, ...]:
    """Return the steps of two branches, aligned; `added` are in `b` alone, `removed` in `a`."""
    return tuple(_compared(a, b, _aligned(_keys(a), _keys(b))))


def compare_totals(
    a: Sequence[Row], b: Sequence[Row], score_a: float | None, score_b: float | None
) -> dict[str, Difference]:
    """Return what the steps of two branches cost in all, and the scores, with their deltas."""
    totals = {name: _difference(_total(a, name), _total(b, name)) for name in SUMMED}
    return {**totals, "score": _difference(score_a, score_b)}


def _difference(a: float | None, b: float | None) -> Difference:
    return Difference(a, b, None if a is None or b is None else b - a)


def _total(rows: Sequence[Row], name: str) -> float | None:
    """Return a sum over the rows that say it; None if there are rows and none does."""
    known = [header[name] for header, _ in rows if header.get(name) is not None]
    return sum(known) if known or not rows else None


def _keys(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return (type, tool, arguments, content) of each step; a result has its call's arguments."""
    of_calls: dict[str, str] = {}
    keys: list[tuple[str, ...]] = []
    for header, payload in rows:
        tool = header.get("tool_name") or ""
        arguments = next((of_calls[ref] for ref in header["parent_refs"] if ref in of_calls), "")
        if header["type"] == "tool_call":
            arguments = of_calls[header["ref"]] = canonical_json(_arguments(payload))
        content = canonical_json(_document(header, payload))
        keys.append((header["type"], tool, arguments, content))
    return keys


def _arguments(payload: Any) -> Any:
    if not isinstance(payload, dict):
        return _as_json(payload)
    if "arguments" in payload:
        return payload["arguments"]
    return {name: value for name, value in payload.items() if name not in _ENVELOPE}


def _aligned(
    a: Sequence[tuple[str, ...]], b: Sequence[tuple[str, ...]], precision: int = 4
) -> list[tuple[int, int]]:
    """Return the pairs of steps that belong together, by ever less of their keys."""
    if precision < 2 or not (a and b):
        return []
    pairs = common_pairs([key[:precision] for key in a], [key[:precision] for key in b])
    found: list[tuple[int, int]] = []
    i = j = 0
    for next_i, next_j in [*pairs, (len(a), len(b))]:
        between = _aligned(a[i:next_i], b[j:next_j], precision - 1)
        found += [(i + in_a, j + in_b) for in_a, in_b in between]
        found.append((next_i, next_j))
        i, j = next_i + 1, next_j + 1
    return found[:-1]


def _compared(
    a: Sequence[Row], b: Sequence[Row], pairs: Sequence[tuple[int, int]]
) -> Iterator[StepDiff]:
    i = j = 0
    for next_i, next_j in [*pairs, (len(a), len(b))]:
        for row in a[i:next_i]:
            yield StepDiff("removed", _view(row.header), None)
        for row in b[j:next_j]:
            yield StepDiff("added", None, _view(row.header))
        if next_i < len(a):
            one, other = a[next_i], b[next_j]
            found = tuple(changes(_document(*one), _document(*other)))
            op: Literal["same", "changed"] = "changed" if found else "same"
            yield StepDiff(op, _view(one.header), _view(other.header), found)
        i, j = next_i + 1, next_j + 1


def _view(header: Mapping[str, Any]) -> StepView:
    return StepView(
        ref=header["ref"],
        step_idx=header["step_idx"],
        depth=header["depth"],
        agent_id=header["agent_id"],
        type=header["type"],
        tool_name=header.get("tool_name"),
    )


def _document(header: Mapping[str, Any], payload: Any) -> dict[str, Any]:
    """Return what is compared of a step, as one JSON value."""
    said = {name: header[name] for name in _COMPARED if header.get(name) not in (None, {})}
    return {**said, "payload": _as_json(payload)}


def _as_json(payload: Any) -> Any:
    if isinstance(payload, bytes):
        return {"bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
    return payload
