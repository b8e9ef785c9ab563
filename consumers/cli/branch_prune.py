"""`eventstore branch prune` and `unprune`: branches out of the list, and back into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, SessionArgument, cli_of
from consumers.cli.moments import parse_moment

if TYPE_CHECKING:
    from eventstore.prune_rule import PruneVerdict

AgentOption = Annotated[str | None, typer.Option("--agent", help="Who does it.")]


def prune_branches(
    ctx: typer.Context,
    session: SessionArgument,
    branches: Annotated[
        list[str] | None, typer.Argument(metavar="[BRANCH]...", help="Only these (default: any).")
    ] = None,
    below: Annotated[
        float | None, typer.Option("--below", help="Whose mean score is below this one.")
    ] = None,
    shorter_than: Annotated[
        int | None, typer.Option("--shorter-than", min=0, help="That show fewer steps.")
    ] = None,
    created_before: Annotated[
        str | None,
        typer.Option("--created-before", help="Whose first event is older (ISO-8601, 7d ago)."),
    ] = None,
    keep_best: Annotated[
        int | None,
        typer.Option("--keep-best", min=0, help="Whose score is not among the so many best."),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", help="Keep this one; repeatable.")
    ] = None,
    agent: AgentOption = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be pruned.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Take the branches out of the list that meet every condition given; nothing is deleted."""
    verdicts = cli_of(ctx).bus.prune(
        session,
        *(branches or ()),
        below=below,
        shorter_than=shorter_than,
        created_before=parse_moment(created_before, "--created-before"),
        keep_best=keep_best,
        keep=keep or (),
        agent_id=agent,
        reason=reason,
        dry_run=dry_run,
    )
    if json:
        rows = [msgspec.to_builtins(verdict) for verdict in verdicts]
        output.document({"session_id": session, "dry_run": dry_run, "branches": rows})
        return
    pruned = sum(verdict.pruned for verdict in verdicts)
    verb = "would be pruned" if dry_run else "pruned"
    title = f"{session}: {pruned} {verb}, {len(verdicts) - pruned} kept"
    columns = ("branch", "#steps", "#mean score", "created", verb, "kept")
    output.show(output.table(title, columns, map(_cells, verdicts)))


def unprune_branch(
    ctx: typer.Context,
    session: SessionArgument,
    branch: Annotated[str, typer.Argument(help="Name of the branch.")],
    agent: AgentOption = None,
    json: JsonOption = False,
) -> None:
    """Put a pruned branch back into the list; nothing if it is there."""
    row = cli_of(ctx).bus.unprune(session, branch, agent_id=agent)
    if json:
        found = {"session_id": session, "branch_id": branch, "changed": row is not None}
        output.document(found)
    else:
        output.note(f"{branch} is listed" if row else f"{branch} is listed already")


def _cells(verdict: PruneVerdict) -> tuple[object, ...]:
    return (
        verdict.branch_id,
        verdict.length,
        verdict.mean_score,
        verdict.created,
        "yes" if verdict.pruned else "no",
        verdict.kept or "",
    )
