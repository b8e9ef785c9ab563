"""`eventstore branch diff`: what differs between two branches, for eyes and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from consumers.cli import output
from consumers.cli.context import JsonOption, SessionArgument, StaleOption, cli_of

if TYPE_CHECKING:
    from eventstore.comparing import BranchDiff, StepDiff
    from eventstore.json_changes import Change

_MARKS = {"same": " ", "changed": "~", "added": "+", "removed": "-"}
_STYLES = {"same": "dim", "changed": "yellow", "added": "green", "removed": "red"}


def diff_branches(
    ctx: typer.Context,
    session: SessionArgument,
    a: Annotated[str, typer.Argument(metavar="A", help="Name of a branch.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Name of another.")],
    stale: StaleOption = False,
    json: JsonOption = False,
) -> None:
    """Compare two branches behind the steps that both show: steps, JSON paths, costs, score."""
    found = cli_of(ctx).reader(stale=stale).diff(session, a, b)
    if json:
        output.document(msgspec.to_builtins(found))
        return
    output.show(_steps_table(found))
    totals = [(name, each.a, each.b, each.delta) for name, each in found.totals.items()]
    columns = ("", f"#{a}", f"#{b}", "#difference")
    output.show(output.table("Behind the common steps", columns, totals))


def _steps_table(found: BranchDiff) -> Any:
    counts = {mark: sum(step.op == mark for step in found.steps) for mark in _MARKS}
    said = ", ".join(f"{number} {op}" for op, number in counts.items())
    title = f"{found.a} and {found.b}: {output.counted(found.common, 'common step')}, then {said}"
    rows = [cells for step in found.steps for cells in _rows(step)]
    columns = ("", f"#{found.a}", f"#{found.b}", "type", "tool", "what changed")
    return output.table(title, columns, rows, fill="what changed")


def _rows(step: StepDiff) -> list[list[Any]]:
    """Return a line for the step, and one for each further change."""
    shown = step.b or step.a
    assert shown is not None
    style = _STYLES[step.op]
    changes = [_change(change) for change in step.changes] or [""]
    first = [
        Text(_MARKS[step.op], style=style),
        step.a.step_idx if step.a else "",
        step.b.step_idx if step.b else "",
        Text(output.printable(shown.type), style=style),
        shown.tool_name or "",
        changes[0],
    ]
    return [first, *(["", "", "", "", "", change] for change in changes[1:])]


def _change(change: Change) -> str:
    if change.op == "added":
        return f"{change.path}: + {output.preview(output.as_json(change.b))}"
    if change.op == "removed":
        return f"{change.path}: - {output.preview(output.as_json(change.a))}"
    before, after = (output.preview(output.as_json(value)) for value in (change.a, change.b))
    return f"{change.path}: {before} → {after}"
