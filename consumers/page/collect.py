"""What a page shows of a session, read from its store: events, payloads, branches, scores."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from eventstore.errors import SessionNotFound
from eventstore.header_view import header_of
from eventstore.loading import load_payloads, payload_of
from eventstore.prune_rule import hidden_branches
from eventstore.tracing import Interaction, trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.bus import EventBus
    from eventstore.codec import Recorded

_PAGE = 500


class Entry(NamedTuple):
    """One event: its public header, its payload, and its place in the trace."""

    header: dict[str, Any]
    payload: Any
    interaction: Interaction


class Session(NamedTuple):
    """A session as a page shows it; entries in the order of the log, `pruned` branches counted."""

    session_id: str
    entries: list[Entry]
    branches: list[dict[str, Any]]
    pruned: int = 0


def collect(bus: EventBus, session_id: str) -> Session:
    """Read a session whole. Raises `SessionNotFound`."""
    events = bus.store.read(session_id)
    if not events:
        raise SessionNotFound(session_id)
    payloads = _payloads(bus, session_id, events)
    placed = {row.ref: row for row in trace(events)}
    entries = [
        Entry(header_of(each), payload, placed[each.event.ref])
        for each, payload in zip(events, payloads, strict=True)
    ]
    branches = _branches(bus, session_id)
    hidden = hidden_branches(branches)
    listed = [row for row in branches if row["branch_id"] not in hidden]
    return Session(session_id, entries, listed, len(hidden))


def _payloads(bus: EventBus, session_id: str, events: Sequence[Recorded]) -> list[Any]:
    parts = bus.store.parts
    keys = parts.log.keys_of(session_id)
    found: list[Any] = []
    for start in range(0, len(events), _PAGE):
        wanted = [payload_of(each.event) for each in events[start : start + _PAGE]]
        found += bus.store.reading(partial(load_payloads, parts.payloads, keys, wanted))
    return found


def _branches(bus: EventBus, session_id: str) -> list[dict[str, Any]]:
    """Return the branches of a session that has events; none before the first artifact."""
    try:
        return bus.branches(session_id, with_pruned=True)
    except SessionNotFound:
        return []


def raw(entry: Entry) -> Any:
    """Return an entry as JSON shows it whole: header and payload; bytes as base64."""
    return msgspec.to_builtins({"header": entry.header, "payload": entry.payload})
