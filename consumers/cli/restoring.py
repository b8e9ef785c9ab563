"""`eventstore restore` and `eventstore new`: a store back from its journal, or another one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COLUMNS = ("#partition", "#position", "chain", "#put back", "#payloads lost")


def restore(
    ctx: typer.Context,
    store: Annotated[
        str | None,
        typer.Argument(metavar="[STORE]", help="Its uuid, where several have journals there."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Bring a store back from its journal, into a server that holds nothing of its namespace.

    A restore that was killed is completed by running it again, or by whoever opens the store.
    Read models follow as workers consume it. Exits with 1 if payloads are lost.
    """
    with progress(quiet=json) as report:
        restored = cli_of(ctx).bus.store.restore(store, report)
    if json:
        output.document(msgspec.to_builtins(restored))
    else:
        rows = [msgspec.structs.astuple(row) for row in restored.partitions]
        output.show(output.table(f"Store {restored.store} is open again", _COLUMNS, rows))
    missing = sum(row.missing_payloads for row in restored.partitions)
    if missing:
        output.fault(
            f"{missing:,} payloads were in the lost server alone; their events are back. If a "
            "backup of the payload store has the files, put them in their places"
        )
        raise typer.Exit(Exit.FINDING)


def begin_anew(ctx: typer.Context, json: JsonOption = False) -> None:
    """Begin a store although the journal of another one lies there, which is left alone.

    If the server holds a store already, that one goes on, with a journal of its own.
    """
    opened = cli_of(ctx).bus.store.begin_anew()
    if json:
        output.document({"store": opened.uuid, "created": opened.created})
    elif opened.created:
        output.show(f"store {opened.uuid} begins")
    else:
        output.show(f"store {opened.uuid} was there; it has a journal of its own")


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[int, int, int], object]]:
    """Show how far the log of each partition is while events are put back, on a terminal."""
    console = output.error_console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} events  {task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, transient=True, disable=not shown) as bars:
        tasks: dict[int, Any] = {}

        def report(partition: int, at: int, goal: int) -> None:
            if partition not in tasks:
                name = f"partition {partition}"
                tasks[partition] = bars.add_task(name, total=goal, completed=at, rate="")
            task = bars.tasks[tasks[partition]]
            rate = "" if task.speed is None else f"{task.speed:,.0f}/s"
            bars.update(tasks[partition], completed=at, total=goal, rate=rate)

        yield report
