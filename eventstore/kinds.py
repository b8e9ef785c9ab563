"""All kinds of events by name, and how stored ones of an older schema are brought up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.errors import UndecodableEvent
from eventstore.events import (
    AgentFinished,
    AgentRegistered,
    AgentUnregistered,
    ArtifactAmended,
    ArtifactPublished,
    BranchCheckedOut,
    BranchForked,
    BranchPopped,
    BranchPruned,
    BranchRewound,
    BranchUnpruned,
    EvaluationCompleted,
    EvaluationFailed,
    EvaluationRequested,
    EvaluationStarted,
    Event,
    Fields,
    OverrideWritten,
    SessionClosed,
    SessionOpened,
    SessionTicked,
    TickAcked,
    TickStalled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KINDS: dict[str, type[Event]] = {
    str(cls.__struct_config__.tag): cls
    for cls in (
        ArtifactPublished,
        ArtifactAmended,
        EvaluationRequested,
        EvaluationStarted,
        EvaluationCompleted,
        EvaluationFailed,
        SessionOpened,
        SessionClosed,
        AgentRegistered,
        AgentUnregistered,
        AgentFinished,
        SessionTicked,
        TickAcked,
        TickStalled,
        OverrideWritten,
        BranchForked,
        BranchRewound,
        BranchPopped,
        BranchCheckedOut,
        BranchPruned,
        BranchUnpruned,
    )
}


UPCASTERS: dict[str, dict[int, Callable[[Fields], Fields]]] = {}
"""kind -> version -> function from that version's fields to the next one's."""


def upcast(kind: str, version: int, fields: Mapping[str, Any]) -> Fields:
    """Return the fields of a stored event in the shape of its kind's current version.

    Each step of `UPCASTERS[kind]` brings version n to n + 1. Raises `UndecodableEvent` for a
    newer version than this code knows: what it means cannot be guessed.
    """
    current = KINDS[kind].VERSION
    if version < 1:
        raise UndecodableEvent(f"a {kind} event has schema version {version}; they count from 1")
    if version > current:
        raise UndecodableEvent(
            f"a {kind} event has schema version {version}, this code knows up to {current}; "
            "upgrade eventstore before reading on"
        )
    result = dict(fields)
    for step in range(version, current):
        result = UPCASTERS[kind][step](result)
    return result
