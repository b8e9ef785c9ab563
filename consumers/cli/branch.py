"""`eventstore branch`: list the branches of a session, show one, fork, rewind, check out.

Comparing and pruning have modules of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from consumers.cli import output
from consumers.cli.artifact import history_table, row_document
from consumers.cli.branch_diff import diff_branches
from consumers.cli.branch_prune import AgentOption, prune_branches, unprune_branch
from consumers.cli.context import JsonOption, SessionArgument, StaleOption, cli_of
from consumers.cli.moments import parse_moment
from eventstore.events import MAIN_BRANCH
from eventstore.prune_rule import hidden_branches

if TYPE_CHECKING:
    from eventstore.commands import Appended

app = typer.Typer(
    help="Branches of a session: list, read, compare, fork, rewind, check out, prune.",
    no_args_is_help=True,
)
app.command("diff")(diff_branches)
app.command("prune")(prune_branches)
app.command("unprune")(unprune_branch)

RefOption = Annotated[
    str | None,
    typer.Option("--ref", help="Ref of the event: made again with it, the call adds nothing."),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="As it was: right after the event with this seq, or at a time (ISO-8601, 15m ago).",
    ),
]


@app.command("list")
def list_branches(
    ctx: typer.Context,
    session: SessionArgument,
    with_pruned: Annotated[bool, typer.Option("--all", help="Pruned ones too.")] = False,
    stale: StaleOption = False,
    json: JsonOption = False,
) -> None:
    """List the branches of a session, as a tree of forks; pruned ones only with --all."""
    every = cli_of(ctx).reader(stale=stale).branches(session, with_pruned=True)
    hidden = set() if with_pruned else hidden_branches(every)
    rows = [row for row in every if row["branch_id"] not in hidden]
    if json:
        output.document(rows)
    else:
        output.show(branch_tree(session, rows))
    if hidden:
        output.note(f"{len(hidden)} pruned; --all shows them")


@app.command("history")
def show_history(
    ctx: typer.Context,
    session: SessionArgument,
    branch: Annotated[str, typer.Argument(help="Name of the branch.")] = MAIN_BRANCH,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=0, help="Keep the last so many steps.")
    ] = None,
    as_of: AsOfOption = None,
    stale: StaleOption = False,
    json: JsonOption = False,
) -> None:
    """Show what a branch shows, oldest first, the steps that it inherited included."""
    bus = cli_of(ctx).reader(stale=stale)
    if as_of is None:
        rows = bus.history(session, branch, limit=limit)
    else:
        rows = bus.as_of(session, branch, **parse_as_of(as_of))
        rows = rows if limit is None else rows[max(0, len(rows) - limit) :]
    if json:
        output.document([row_document(row) for row in rows])
    else:
        output.show(history_table(f"{session}, branch {branch}", rows))


@app.command("fork")
def fork_branch(
    ctx: typer.Context,
    session: SessionArgument,
    at: Annotated[int, typer.Option("--at", help="Last step of the parent that is shown.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the new branch (default: made up).")
    ] = None,
    parent: Annotated[str, typer.Option("--parent", help="Branch to fork.")] = MAIN_BRANCH,
    as_of: Annotated[
        int | None, typer.Option("--as-of", help="Take the parent as right after this seq.")
    ] = None,
    agent: AgentOption = None,
    ref: RefOption = None,
    json: JsonOption = False,
) -> None:
    """Open a branch that shows its parent up to a step; nothing is copied."""
    made = (
        cli_of(ctx)
        .reader(stale=as_of is None)
        .fork(session, at, name, parent=parent, agent_id=agent, as_of=as_of, ref=ref)
    )
    if json:
        output.document({"session_id": session, "branch_id": made, "parent": parent, "at": at})
    else:
        typer.echo(made)


@app.command("rewind")
def rewind_branch(
    ctx: typer.Context,
    session: SessionArgument,
    to: Annotated[int, typer.Option("--to", help="Last step that the branch goes on showing.")],
    branch: Annotated[str, typer.Argument(help="Name of the branch.")] = MAIN_BRANCH,
    agent: AgentOption = None,
    ref: RefOption = None,
    json: JsonOption = False,
) -> None:
    """Hide the steps of a branch above one; they stay readable and keep their numbers."""
    row = cli_of(ctx).bus.rewind(session, to, branch, agent_id=agent, ref=ref)
    if json:
        output.document({**_appended(row), "branch_id": branch, "to": to})
    else:
        output.note(f"{branch} shows its steps up to {to}; `--as-of {row.seq - 1}` shows the rest")


@app.command("checkout")
def checkout_branch(
    ctx: typer.Context,
    session: SessionArgument,
    branch: Annotated[str, typer.Argument(help="Name of the branch.")],
    agent: AgentOption = None,
    ref: RefOption = None,
    json: JsonOption = False,
) -> None:
    """Have an agent work on a branch: what it pushes on its stack goes there."""
    row = cli_of(ctx).bus.checkout(session, branch, agent_id=agent, ref=ref)
    if json:
        output.document({**_appended(row), "branch_id": branch})
    else:
        output.note(f"checked out {branch}")


def parse_as_of(text: str) -> dict[str, Any]:
    """Return the moment that `--as-of` names: a `seq`, or else a `time`."""
    if text.strip().isdecimal():
        return {"seq": int(text)}
    return {"time": parse_moment(text, "--as-of")}


def _appended(row: Appended) -> dict[str, Any]:
    return {"ref": row.ref, "position": row.position, "seq": row.seq}


def branch_tree(session: str, rows: list[dict[str, Any]]) -> Tree:
    """Return the branches of a session as a tree of forks."""
    tree = Tree(_label(session, "", "bold"))
    nodes: dict[str | None, Tree] = {None: tree}
    # A branch is listed behind its parent: main first, then by age.
    for row in rows:
        facts = output.counted(row["length"], "step")
        if row["parent"] is not None:
            facts += f", forked from {row['parent']} at step {row['at']}"
        if row["rewinds"]:
            facts += f", rewound {output.counted(row['rewinds'], 'time')}"
        if row["scores"]["count"]:
            facts += f", mean score {output.shown(row['scores']['mean'])}"
        if row["pruned"]:
            facts += f", pruned {row['pruned']['ts']} by {row['pruned']['by']}"
        node = nodes.get(row["parent"], tree)
        nodes[row["branch_id"]] = node.add(_label(row["branch_id"], facts, "cyan"))
    return tree


def _label(name: str, facts: str, style: str) -> Text:
    return Text.assemble(
        (output.printable(name), style), f"  {output.printable(facts)}" if facts else ""
    )
