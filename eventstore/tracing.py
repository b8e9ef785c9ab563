"""Traces: what happened in a session in causal order, with durations; a view of its events."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

import msgspec

from eventstore.events import ArtifactPublished
from eventstore.times import to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventstore.codec import Recorded
    from eventstore.events import Event

# How far what comes of a turn stands below it.
_DEPTHS: Final = {
    "tool_call": 1,
    "tool_result": 2,
    "duplicate_call": 2,
    "evaluation": 1,
    "metrics": 1,
    "evaluation.requested": 1,
    "evaluation.started": 2,
    "evaluation.completed": 2,
    "evaluation.failed": 2,
}


class Interaction(msgspec.Struct, frozen=True):
    """One event of a session, placed in its causes.

    `causes` are the refs of earlier events of the session that it came from; `depth`, 0 to 2, is
    how far it stands below the turn that it belongs to. `duration_ms` is what was recorded
    (`latency_ms`), or, where `measured`, the time from its cause to it; None is unknown.
    """

    ref: str
    seq: int
    ts: str
    agent_id: str
    branch_id: str
    type: str
    what: str | None
    status: str | None
    causes: tuple[str, ...]
    depth: int
    duration_ms: float | None
    measured: bool


def trace(events: Sequence[Recorded]) -> list[Interaction]:
    """Return the events of a session as interactions: every cause before what came of it.

    Beyond that, the order is that of the log. A ref that names no event of the session is no
    cause here, and of events that name each other the first appended comes first.
    """
    by_ref = {each.event.ref: each for each in events}
    done: dict[str, Interaction] = {}
    for recorded in _causal(events, by_ref):
        causes = tuple(ref for ref in causes_of(recorded.event) if ref in done)
        done[recorded.event.ref] = _interaction(recorded, [done[ref] for ref in causes])
    return list(done.values())


def causes_of(event: Event) -> tuple[str, ...]:
    """Return the refs that an event names as where it came from, each once."""
    named: Iterable[str | None] = (
        *event.parent_refs,
        getattr(event, "target", None),
        getattr(event, "request", None),
    )
    return tuple(dict.fromkeys(ref for ref in named if ref is not None and ref != event.ref))


def measured_ms(since: str, event: Event) -> float | None:
    """Return the milliseconds from a cause's time to an event's; None where these do not tell.

    Clocks of two machines may differ, so what would be before its cause is not known. Nor is what
    the store stamped in one and the same millisecond: recorded runs without times are imported
    under the time of the import.
    """
    taken = to_milliseconds(event.ts) - to_milliseconds(since)
    if taken < 0 or (taken == 0 and "ts" in event.defaulted):
        return None
    return float(taken)


def shown_duration(milliseconds: float | None, measured: bool) -> str | None:
    """Return a duration as people read it, with a ~ if it was measured; None if it is unknown."""
    if milliseconds is None:
        return None
    if milliseconds < 10_000:
        shown = f"{milliseconds:{'.3g' if milliseconds < 100 else '.0f'}} ms"
    else:
        shown = f"{milliseconds / 1000:,.1f} s"
    return f"~{shown}" if measured else shown


def _causal(events: Sequence[Recorded], by_ref: dict[str, Recorded]) -> Iterable[Recorded]:
    """Yield events, the first appended among those whose causes have all been yielded."""
    waiting = {
        each.event.ref: {ref for ref in causes_of(each.event) if ref in by_ref} for each in events
    }
    effects: dict[str, list[str]] = {}
    for ref, causes in waiting.items():
        for cause in causes:
            effects.setdefault(cause, []).append(ref)
    ready = [(by_ref[ref].seq, ref) for ref, causes in waiting.items() if not causes]
    heapq.heapify(ready)
    # Of events that wait for each other, the first appended is let go.
    in_order = iter(sorted((each.seq, each.event.ref) for each in events))
    while waiting:
        if ready:
            _, ref = heapq.heappop(ready)
        else:
            ref = next(ref for _, ref in in_order if ref in waiting)
        if waiting.pop(ref, None) is None:
            continue
        yield by_ref[ref]
        for effect in effects.get(ref, ()):
            left = waiting.get(effect)
            if left is not None:
                left.discard(ref)
                if not left:
                    heapq.heappush(ready, (by_ref[effect].seq, effect))


def _interaction(recorded: Recorded, causes: Sequence[Interaction]) -> Interaction:
    event = recorded.event
    kind = event.type if isinstance(event, ArtifactPublished) else event.kind
    duration, measured = _duration(event, kind, causes)
    return Interaction(
        ref=event.ref,
        seq=recorded.seq,
        ts=event.ts,
        agent_id=event.agent_id,
        branch_id=event.branch_id,
        type=kind,
        what=_what(event),
        status=getattr(event, "status", None),
        causes=tuple(cause.ref for cause in causes),
        depth=_DEPTHS.get(kind, 0) if causes else 0,
        duration_ms=duration,
        measured=measured,
    )


def _duration(event: Event, kind: str, causes: Sequence[Interaction]) -> tuple[float | None, bool]:
    recorded = getattr(event, "latency_ms", None)
    if recorded is not None:
        return recorded, False
    if kind not in ("tool_result", "evaluation.completed", "evaluation.failed") or not causes:
        return None, False
    taken = measured_ms(max(cause.ts for cause in causes), event)
    return taken, taken is not None


def _what(event: Event) -> str | None:
    """Return what tells an event from others of its type: a tool, a model, an evaluator."""
    for name in ("tool_name", "evaluator_id", "model", "role", "parent", "tick"):
        found = getattr(event, name, None)
        if found is not None:
            return str(found)
    state_class = event.meta.get("state_cls")
    return state_class if isinstance(state_class, str) else None
