"""Sessions for pages, made by hand: no server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.page.collect import Entry, Session
from eventstore.header_view import header_of
from eventstore.tracing import trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.recording import Recording

UNSCORED = {"count": 0, "sum": None, "mean": None, "unscored": 0, "failed": 0}


def branch(name: str = "main", following: int = 0, **fields: Any) -> dict[str, Any]:
    """Return what is listed of a branch with `following` steps of its own."""
    return {
        "branch_id": name,
        "parent": None,
        "at": None,
        "segments": [],
        "own": 0,
        "next": following,
        "length": following,
        "rewinds": 0,
        "scores": dict(UNSCORED),
        **fields,
    }


def session_of(
    log: Recording, payloads: Sequence[Any], branches: Sequence[dict[str, Any]] = ()
) -> Session:
    """Return the session that a recording is, its payloads given beside it."""
    placed = {row.ref: row for row in trace(log.events)}
    entries = [
        Entry(header_of(each), payload, placed[each.event.ref])
        for each, payload in zip(log.events, payloads, strict=True)
    ]
    return Session("s", entries, list(branches))
