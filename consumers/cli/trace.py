"""`eventstore session trace`: what happened in a session, causes first, with durations."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, SessionArgument, cli_of
from eventstore.errors import SessionNotFound
from eventstore.tracing import Interaction, trace


def trace_session(
    ctx: typer.Context,
    session: SessionArgument,
    branch: Annotated[
        str | None, typer.Option("--branch", help="Only events of this branch's own.")
    ] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only events of this agent.")] = None,
    json: JsonOption = False,
) -> None:
    """Show what happened in a session: every cause before what came of it, with durations.

    A duration is the recorded latency, or (~) the time from a cause to what settled it.
    """
    events = cli_of(ctx).bus.store.read(session)
    if not events:
        raise SessionNotFound(session)
    rows = [
        row
        for row in trace(events)
        if branch in (None, row.branch_id) and agent in (None, row.agent_id)
    ]
    if json:
        output.document([msgspec.to_builtins(row) for row in rows])
        return
    columns = ("#seq", "time", "branch", "agent", "what", "status", "#duration")
    title = f"{session}: {len(rows)} interactions"
    output.show(output.table(title, columns, map(_cells, rows), fill="what"))


def _cells(row: Interaction) -> tuple[Any, ...]:
    what = row.type if row.what is None else f"{row.type} {row.what}"
    named = "  " * row.depth + output.printable(what)
    # Of a time, what changes within a session.
    return row.seq, row.ts[11:23], row.branch_id, row.agent_id, named, row.status, _duration(row)


def _duration(row: Interaction) -> str | None:
    if row.duration_ms is None:
        return None
    seconds = row.duration_ms / 1000
    shown = f"{row.duration_ms:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"
    return f"~{shown}" if row.measured else shown
