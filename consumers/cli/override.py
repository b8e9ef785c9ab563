"""`eventstore override`: patch an agent's configuration in a session, and read the patches."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, SessionArgument, cli_of
from consumers.cli.moments import parse_moment
from eventstore.errors import InvalidInput, OverrideLocked
from eventstore.overrides import override_history, write_override
from eventstore.overriding import LOCK, Overriding

if TYPE_CHECKING:
    from eventstore.bus import EventBus

app = typer.Typer(
    help="Overrides of an agent's configuration in a session: write, read.", no_args_is_help=True
)

AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="Id of the agent.")]


@app.command("set")
def set_override(
    ctx: typer.Context,
    session: SessionArgument,
    agent: AgentArgument,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE…]",
            help="Keys and their values, as JSON or else as text; null removes a key.",
        ),
    ] = None,
    lock: Annotated[
        bool | None,
        typer.Option("--lock/--unlock", help="Refuse later patches; or allow them, from this on."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Patch an agent's override in a session; exit code 4 if it is locked."""
    patch = _patch(changes or [])
    if lock is not None:
        patch[LOCK] = lock
    bus = cli_of(ctx).bus
    if not write_override(bus, agent, session, patch):
        raise OverrideLocked(session, agent)
    _show(bus, agent, session, None, json=json)


@app.command("get")
def get_override(
    ctx: typer.Context,
    session: SessionArgument,
    agent: AgentArgument,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="A seq of the session, a time, or how long ago (15m)."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what overrides an agent's configuration in a session."""
    moment: int | str | None = as_of
    if as_of is not None:
        moment = int(as_of) if as_of.isdecimal() else parse_moment(as_of, "--as-of")
    _show(cli_of(ctx).bus, agent, session, moment, json=json)


@app.command("history")
def show_history(
    ctx: typer.Context, session: SessionArgument, agent: AgentArgument, json: JsonOption = False
) -> None:
    """Show every patch of an agent's override in a session, oldest first."""
    rows = override_history(cli_of(ctx).bus, agent, session)
    if json:
        output.document(rows)
        return
    cells = [
        (row["seq"], row["ts"], row["author"], output.as_json(row["patch"]), row["locked"])
        for row in rows
    ]
    columns = ("#seq", "time", "by", "patch", "locked")
    output.show(output.table(f"{session}, agent {agent}", columns, cells, wrap=("patch",)))


def _show(bus: EventBus, agent: str, session: str, moment: int | str | None, *, json: bool) -> None:
    flows = Overriding(bus.store.parts)
    effective, locked = bus.store.reading(lambda: flows.read(agent, session, moment))
    if json:
        output.document(dict(effective))
    elif effective:
        rows = [(key, output.as_json(value)) for key, value in sorted(effective.items())]
        title = "Override, locked" if locked else "Override"
        output.show(output.table(title, ("key", "value"), rows, wrap=("value",)))
    else:
        output.note("nothing is overridden" + (", and it is locked" if locked else ""))


def _patch(changes: list[str]) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for change in changes:
        key, sign, text = change.partition("=")
        if not sign or not key:
            raise InvalidInput(f"{change!r} is no KEY=VALUE, such as temperature=0.3")
        if key == LOCK:
            raise InvalidInput("lock is no key of the configuration; use --lock or --unlock")
        if key in patch:
            raise InvalidInput(f"{key} is named twice")
        patch[key] = _value(text)
    return patch


def _value(text: str) -> Any:
    """Return what a value says: JSON if it is JSON, else the text itself."""
    try:
        return json_module.loads(text)
    except ValueError:
        return text
