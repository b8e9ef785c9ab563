"""`eventstore session trace`: what happened in a session, causes first, with durations."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, SessionArgument, cli_of
from eventstore.errors import SessionNotFound
from eventstore.tracing import Interaction, shown_duration, trace


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
    title = f"{session}: {output.counted(len(rows), 'interaction')}"
    output.show(output.table(title, columns, map(_cells, rows), fill="what"))


def _cells(row: Interaction) -> tuple[Any, ...]:
    what = row.type if row.what is None else f"{row.type} {row.what}"
    named = "  " * row.depth + output.printable(what)
    # Of a time, what changes within a session.
    duration = shown_duration(row.duration_ms, row.measured)
    return row.seq, row.ts[11:23], row.branch_id, row.agent_id, named, row.status, duration
