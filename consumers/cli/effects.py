"""`eventstore session effects`: the tool calls of a session, and what came of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, LimitOption, SessionArgument, cli_of
from eventstore.tracing import shown_duration

if TYPE_CHECKING:
    from eventstore.effect_log import EffectRow


def show_effects(
    ctx: typer.Context,
    session: SessionArgument,
    branch: Annotated[
        str | None, typer.Option("--branch", help="Only calls of this branch's own.")
    ] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only calls of this agent.")] = None,
    limit: LimitOption = 1000,
    json: JsonOption = False,
) -> None:
    """Show the side effects of a session: its last tool calls, their keys, results, durations.

    A duration is the recorded latency, or (~) the time from the call to its result.
    """
    rows = cli_of(ctx).bus.effects(session, branch=branch, agent=agent, limit=limit)
    if json:
        output.document([msgspec.to_builtins(row) for row in rows])
        return
    unanswered = sum(row.result_ref is None for row in rows)
    title = f"{session}: {output.counted(len(rows), 'effect')}, {unanswered} unanswered"
    place = ("#seq", "time", "branch", "agent")
    columns = (*place, "tool", "key", "status", "#duration", "#again", "call")
    output.show(output.table(title, columns, map(_cells, rows), fill="key"))


def _cells(row: EffectRow) -> tuple[Any, ...]:
    status = row.status if not row.penalty else f"{row.status}, penalty {row.penalty:g}"
    # Of a time, what changes within a session.
    place = (row.seq, row.ts[11:23], row.branch_id, row.agent_id)
    duration = shown_duration(row.duration_ms, row.measured)
    return (*place, row.tool_name, row.key, status, duration, row.duplicates, row.ref)
