"""`eventstore up`, `down` and `work`: the processes behind the store."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Annotated

import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.cli.exits import Exit
from consumers.supervision.supervisor import supervise
from consumers.working.groups import select_groups
from consumers.working.processes import work as run_workers
from eventstore.embedded import EmbeddedStore, down, inspect, open_home
from eventstore.embedded.options import SupervisorOptions
from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from consumers.cli.context import Cli


def bring_up(
    ctx: typer.Context,
    stay: Annotated[
        bool,
        typer.Option("--stay", help="Never end for want of clients; else 60 s after the last."),
    ] = False,
    background: Annotated[
        bool, typer.Option("--background", "-d", help="Return once the server answers.")
    ] = False,
) -> None:
    """Run the embedded store: its server and its worker, until Ctrl-C.

    Programs start it by themselves when they need it; `up` is for watching it, or keeping it.
    """
    cli = cli_of(ctx)
    if not cli.settings.uses_embedded:
        raise InvalidInput(
            "up: a Redis is configured, so there is no embedded store to run; "
            "`eventstore work` runs the consumers"
        )
    home = open_home(cli.home_path())
    options = SupervisorOptions(stay=stay)
    if background:
        was_up = inspect(home).supervisor.alive
        with EmbeddedStore(home, options) as store:
            endpoint = store.ensure()
        if was_up and stay:
            output.note("it was up already, and ends when its first starter said; `down` ends it")
        typer.echo(endpoint.url)
        return
    logging.getLogger().setLevel(logging.INFO)
    if supervise(home, options):
        raise typer.Exit(Exit.UNAVAILABLE)


def take_down(ctx: typer.Context, json: JsonOption = False) -> None:
    """End the embedded store, whatever a kill -9 left of it; data is kept."""
    path = cli_of(ctx).home_path()
    done: tuple[str, ...] = ()
    in_use = False
    if path.is_dir():
        report = down(open_home(path))
        done, in_use = report.done, report.in_use
    if json:
        output.document({"home": str(path), "done": list(done), "in_use": in_use})
    else:
        for sentence in done or (f"nothing runs in {path}",):
            typer.echo(sentence)
    if in_use:
        output.note("programs have the store open; they start it again as soon as they need it")


def work(
    ctx: typer.Context,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Worker processes.")] = 1,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Group to consume, repeatable (default: all)."),
    ] = None,
) -> None:
    """Consume the log until SIGTERM or Ctrl-C: the projections, and payloads into their store.

    Exits with 1 if the store cannot be consumed; the last line of the log says why.
    """
    cli = cli_of(ctx)
    select_groups(only)
    _hand_on_home(cli)
    raise typer.Exit(run_workers(only, processes))


def _hand_on_home(cli: Cli) -> None:
    """Let this process's workers, and their own processes, find the same data directory."""
    if cli.settings.home is not None:
        os.environ["EVENTSTORE_HOME"] = str(cli.settings.home)
