"""`eventstore session open` and `close`: a session's beginning and end, as events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, SessionArgument, cli_of
from eventstore.sessions import Session

if TYPE_CHECKING:
    from eventstore.commands import Appended


def open_session(
    ctx: typer.Context,
    session: SessionArgument,
    title: Annotated[str | None, typer.Option("--title", help="What it is called.")] = None,
    json: JsonOption = False,
) -> None:
    """Open a session, or one that was closed, again; nothing if it is open."""
    rows = Session(cli_of(ctx).bus, session).open(title)
    _say(session, rows, "open", json=json)


def close_session(
    ctx: typer.Context,
    session: SessionArgument,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it ends.")] = None,
    json: JsonOption = False,
) -> None:
    """Close a session: agents add nothing to it and no tick begins until it is opened again."""
    rows = Session(cli_of(ctx).bus, session).close(reason)
    _say(session, rows, "closed", json=json)


def _say(session: str, rows: list[Appended], state: str, *, json: bool) -> None:
    if json:
        output.document({"session_id": session, "state": state, "changed": bool(rows)})
    else:
        output.note(f"{session} is {state}" if rows else f"{session} is {state} already")
