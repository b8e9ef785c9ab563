"""The side effects of a session: its tool calls, what came of them, what was not made again.

A view of the events, folded page by page: memory holds the last calls that are asked for, however
long the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from eventstore.effect import DUPLICATE
from eventstore.errors import SessionNotFound
from eventstore.events import ArtifactPublished
from eventstore.names import check_name
from eventstore.searching import check_limit
from eventstore.stack_search import turn_of
from eventstore.tool_calls import OpenCall, OpenCalls
from eventstore.tracing import measured_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventstore.codec import Recorded
    from eventstore.flow import Flow
    from eventstore.log import Log

_PAGE: Final = 500
UNANSWERED: Final = "unanswered"


class EffectRow(msgspec.Struct):
    """A tool call of a session, and what came of it.

    `status` is the result's, "answered" for one that gives none, "unanswered" without a result.
    `duration_ms` is what was recorded, or, where `measured`, the time from the call to its result;
    None is unknown. `duplicates` counts calls under the same key that were answered from here.
    Key, policy, attempt and penalty are those of `SideEffects`, None for other calls.
    """

    ref: str
    seq: int
    ts: str
    agent_id: str
    branch_id: str
    tool_name: str | None
    tool_call_id: str | None
    key: str | None
    policy: str | None
    attempt: int | None
    penalty: float | None
    status: str = UNANSWERED
    result_ref: str | None = None
    result_bytes: int | None = None
    duration_ms: float | None = None
    measured: bool = False
    duplicates: int = 0


class EffectLog:
    """The last so many tool calls of one session that pass, made of its events in order."""

    def __init__(self, branch: str | None, agent: str | None, limit: int) -> None:
        self._branch = branch
        self._agent = agent
        self._limit = limit
        self._rows: dict[str, EffectRow] = {}
        self._open: dict[str, OpenCalls] = {}
        self._open_calls: dict[str, OpenCall] = {}

    @property
    def rows(self) -> list[EffectRow]:
        """The calls so far, oldest first."""
        return list(self._rows.values())

    @property
    def held(self) -> int:
        """How many unanswered calls are kept to be paired with a result."""
        return len(self._open_calls)

    def add(self, events: Iterable[Recorded]) -> None:
        """Take in the next events of the session."""
        for recorded in events:
            event = recorded.event
            if not isinstance(event, ArtifactPublished):
                continue
            if event.type == "tool_call":
                self._add_call(recorded, event)
            elif event.type == "tool_result":
                self._add_result(event)
            elif event.type == DUPLICATE:
                row = self._rows.get(str(_said(event).get("of")))
                if row is not None:
                    row.duplicates += 1

    def _add_call(self, recorded: Recorded, event: ArtifactPublished) -> None:
        if self._branch not in (None, event.branch_id) or self._agent not in (None, event.agent_id):
            return
        said = _said(event)
        self._rows[event.ref] = EffectRow(
            ref=event.ref,
            seq=recorded.seq,
            ts=event.ts,
            agent_id=event.agent_id,
            branch_id=event.branch_id,
            tool_name=event.tool_name,
            tool_call_id=event.tool_call_id,
            key=_text(said.get("key")),
            policy=_text(said.get("policy")),
            attempt=_number(said.get("attempt"), int),
            penalty=_number(said.get("penalty"), (int, float)),
        )
        opened = OpenCall(turn_of(event), event.ref, event.tool_name or "")
        self._open.setdefault(event.branch_id, OpenCalls()).add(event.tool_call_id, opened)
        self._open_calls[event.ref] = opened
        if len(self._rows) > self._limit:
            self._close(self._rows.pop(next(iter(self._rows))))

    def _add_result(self, event: ArtifactPublished) -> None:
        row = next((self._rows[ref] for ref in event.parent_refs if ref in self._rows), None)
        if row is None:
            calls = self._open.get(event.branch_id)
            taken = calls.take(event.tool_call_id, event.tool_name) if calls else None
            row = None if taken is None else self._rows[taken.ref]
        if row is None or row.result_ref is not None:
            return
        self._close(row)
        row.status = event.status or "answered"
        row.result_ref = event.ref
        row.result_bytes = None if event.payload is None else event.payload.size
        row.duration_ms = event.latency_ms
        if row.duration_ms is None:
            row.duration_ms = measured_ms(row.ts, event)
            row.measured = row.duration_ms is not None

    def _close(self, row: EffectRow) -> None:
        opened = self._open_calls.pop(row.ref, None)
        if opened is not None:
            self._open[row.branch_id].discard(row.tool_call_id, opened)


def effects_of(
    log: Log, session_id: str, branch: str | None, agent: str | None, limit: int
) -> Flow[list[EffectRow]]:
    """Return the last `limit` tool calls of a session that pass, oldest first."""
    check_name("session_id", session_id)
    if branch is not None:
        check_name("branch", branch)
    if agent is not None:
        check_name("agent", agent)
    check_limit(limit)
    found = EffectLog(branch, agent, limit)
    first = 0
    while True:
        page = yield from log.read(session_id, from_seq=first, limit=_PAGE)
        if not page:
            break
        found.add(page)
        first = page[-1].seq + 1
    if not first:
        raise SessionNotFound(session_id)
    return found.rows


def _said(event: ArtifactPublished) -> dict[str, Any]:
    """Return what `SideEffects` says of itself in an artifact; {} if it is not one of its own."""
    said = event.meta.get("effect")
    return said if isinstance(said, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any, of: Any) -> Any:
    return value if isinstance(value, of) and not isinstance(value, bool) else None
