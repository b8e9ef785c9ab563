"""`eventstore session`: list the sessions, show one; the other verbs have modules of their own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, LimitOption, SessionArgument, StaleOption, cli_of
from consumers.cli.session_life import close_session, open_session
from eventstore.errors import SessionNotFound
from eventstore.events import ArtifactPublished, SessionClosed, SessionOpened
from eventstore.judging import Judging
from eventstore.operations import Operations
from eventstore.session_list import latest_sessions, session_total
from eventstore.times import from_milliseconds

if TYPE_CHECKING:
    from eventstore.bus import EventBus
    from eventstore.codec import Recorded
    from eventstore.store import EventStore

app = typer.Typer(help="Sessions: what there is, and what is in one.", no_args_is_help=True)
app.command("open")(open_session)
app.command("close")(close_session)


@app.command("list")
def list_sessions(ctx: typer.Context, limit: LimitOption = 1000, json: JsonOption = False) -> None:
    """List the sessions that were appended to last, the latest first."""
    store = cli_of(ctx).bus.store
    log = store.parts.log
    rows = store.reading(lambda: latest_sessions(log, limit))
    total = store.reading(lambda: session_total(log))
    if json:
        output.document([msgspec.to_builtins(row) for row in rows])
    else:
        cells = [(row.session_id, row.events, row.last_append) for row in rows]
        output.show(output.table("Sessions", ("session", "#events", "last append"), cells))
    if len(rows) < total:
        output.note(f"{len(rows)} of {total} sessions; --limit shows more")


@app.command("show")
def show_session(
    ctx: typer.Context,
    session: SessionArgument,
    stale: StaleOption = False,
    json: JsonOption = False,
) -> None:
    """Show what a session holds: events by type and agent, branches, evaluations.

    Says which groups left events of it out, and so know less of it than the log.
    """
    cli = cli_of(ctx)
    events = cli.bus.store.read(session)
    if not events:
        raise SessionNotFound(session)
    bus = cli.reader(stale=stale)
    described = describe(session, events)
    described["degraded"] = bus.degraded(session)
    described["branches"] = _branches_of(bus, session)
    described["evaluations"] = evaluations_of(bus.store, session)
    if json:
        output.document(described)
    else:
        _print(described)


def describe(session_id: str, events: list[Recorded]) -> dict[str, Any]:
    """Return what the events of a session say of it as a whole."""
    artifacts = [each.event for each in events if isinstance(each.event, ArtifactPublished)]
    opened = next((e.event for e in events if isinstance(e.event, SessionOpened)), None)
    return {
        "session_id": session_id,
        "title": None if opened is None else opened.title,
        "group_id": next((e.event.group_id for e in events if e.event.group_id), None),
        "events": len(events),
        "first_append": from_milliseconds(events[0].appended_at),
        "last_append": from_milliseconds(events[-1].appended_at),
        "closed": _is_closed(events),
        "types": dict(Counter(event.type for event in artifacts).most_common()),
        "agents": dict(Counter(event.agent_id for event in artifacts).most_common()),
    }


def _is_closed(events: list[Recorded]) -> bool:
    life = [each.event for each in events if isinstance(each.event, SessionOpened | SessionClosed)]
    return bool(life) and isinstance(life[-1], SessionClosed)


def _branches_of(bus: EventBus, session_id: str) -> list[dict[str, Any]]:
    """Return the branches of a session that has events; none before the first artifact."""
    try:
        return bus.branches(session_id)
    except SessionNotFound:
        return []


def evaluations_of(store: EventStore, session_id: str) -> list[dict[str, Any]]:
    """Return the evaluations of a session, oldest first."""
    parts = store.parts
    judging = Judging(Operations(parts.log, parts.appender, parts.payloads))
    return store.reading(lambda: judging.of_session(session_id))


def _print(described: dict[str, Any]) -> None:
    facts = [
        (name.replace("_", " "), _fact(value))
        for name, value in {**described, "degraded": described["degraded"] or "no"}.items()
        if name not in ("branches", "evaluations")
    ]
    output.show(output.table("Session", ("", ""), facts))
    branches = [
        (row["branch_id"], row["length"], row["parent"], row["at"], row["rewinds"])
        for row in described["branches"]
    ]
    columns = ("branch", "#steps", "forked from", "#at", "#rewinds")
    output.show(output.table("Branches", columns, branches))
    evaluations = [
        (row["evaluator_id"], row["branch_id"], row["status"], row["score"], row["target"])
        for row in described["evaluations"]
    ]
    columns = ("evaluator", "branch", "status", "#score", "target")
    output.show(output.table("Evaluations", columns, evaluations))
    for group, count in described["degraded"].items():
        output.note(
            f"{group} left out {count:,} of its events: `eventstore parked list {group}` says why"
        )


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return output.shown(value)
