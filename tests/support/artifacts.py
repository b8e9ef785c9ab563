"""Drafts for tests of the log: artifacts and decisions, by few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventstore.drafts import draft
from eventstore.headers import build_artifact
from eventstore.refs import generate_ref
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from eventstore.drafts import Draft
    from eventstore.events import Event

COMPRESS_ABOVE: Final = 2048


def artifact(session_id: str, payload: object = None, **header: Any) -> Draft:
    """Return an artifact of agent "a" and type "state", unless told otherwise."""
    fields = {"session_id": session_id, "agent_id": "a", "type": "state", **header}
    return build_artifact(fields, payload, {}, COMPRESS_ABOVE)


def artifacts(session_id: str, count: int, **header: Any) -> list[Draft]:
    """Return so many artifacts of a session, each with its number as payload."""
    return [artifact(session_id, {"n": n}, **header) for n in range(count)]


def decision(kind: type[Event], session_id: str, **fields: Any) -> Draft:
    """Return an event of another kind, of agent "a", unless told otherwise."""
    common = {"ref": generate_ref(), "agent_id": "a", "ts": current_timestamp()}
    return draft(kind(session_id=session_id, **{**common, **fields}))
