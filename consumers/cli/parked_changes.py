"""`eventstore parked replay` and `drop`: parked events handed on again, or given up for good."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from consumers.cli import output
from consumers.cli.context import GroupArgument, JsonOption, cli_of
from consumers.cli.exits import Exit
from consumers.parking.changing import drop_parked, replay_parked
from consumers.parking.kinds import load_handler
from eventstore.consuming.access import StoreAccess
from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from consumers.parking.kinds import Handler
    from eventstore.parking.replaying import Replayed, Report
    from eventstore.settings import AppSettings


def replay(
    ctx: typer.Context,
    group: GroupArgument,
    handler: Annotated[
        str | None,
        typer.Option("--handler", help="module:function that handles a subscriber's events."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Hand what a group has parked to its handler again, in the order of the log.

    What is handled is parked no more; what fails again stays. What a competing group has parked
    goes back to its work. A replay that was killed is completed by running it again. Exits with 1
    if something failed again.
    """
    function = None if handler is None else load_handler(handler)
    started = time.monotonic()
    with _progress(quiet=json) as report:
        found = anyio.run(_replay, cli_of(ctx).settings, group, function, report)
    rate = _rate(found, time.monotonic() - started)
    handled, failed = sum(each.handled for each in found), sum(each.failed for each in found)
    if json:
        counts = {"group": group, "handled": handled, "failed": failed}
        output.document(counts | {"events_per_second": rate})
    else:
        said = f"{handled:,} events of {group} are parked no more"
        said = f"{said}, {failed:,} failed again" if failed else said
        output.show(said if rate is None else f"{said} ({rate:,.0f} events/s)")
    if failed:
        raise typer.Exit(Exit.FINDING)


async def _replay(
    settings: AppSettings, group: str, handler: Handler | None, report: Report
) -> list[Replayed]:
    access = StoreAccess(settings, groups=1)
    try:
        return await replay_parked(access, group, handler, report)
    finally:
        with anyio.CancelScope(shield=True):
            await access.close()


def _rate(found: list[Replayed], seconds: float) -> float | None:
    """Return events a second, None where there were none to tell by."""
    events = sum(each.handled + each.failed for each in found)
    return round(events / seconds, 1) if events else None


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Report]:
    """Show each partition as a bar with its rate, on a terminal."""
    console = output.error_console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}  {task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        tasks: dict[int, TaskID] = {}

        def report(done: Replayed) -> None:
            if done.partition not in tasks:
                name = f"partition {done.partition}"
                tasks[done.partition] = progress.add_task(name, total=done.parked, rate="")
            place = tasks[done.partition]
            progress.update(place, completed=done.handled + done.failed)
            speed = progress.tasks[place].speed
            progress.update(place, rate="" if speed is None else f"{speed:,.0f} events/s")

        yield report


def drop(
    ctx: typer.Context,
    group: GroupArgument,
    refs: Annotated[
        list[str] | None, typer.Argument(metavar="[REF]…", help="Refs of parked events.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the group has parked.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else only say what.")] = False,
    json: JsonOption = False,
) -> None:
    """Give parked events up for good, without handling them; says only what, without --yes.

    The events stay in the log. A read model still lacks them, and reads say so until it is rebuilt.
    """
    chosen = frozenset(refs or ())
    if every == bool(chosen):
        raise InvalidInput("name the refs of events to drop, or --all; `parked list` shows them")
    store = cli_of(ctx).bus.store
    log = store.parts.log
    wanted = None if every else chosen
    # Not run a second time as reads are: a count that was dropped is not counted again.
    store.open()
    count = store.runner.run(drop_parked(log, group, wanted, dry_run=not yes))
    if json:
        output.document({"group": group, "events": count, "dropped": yes})
        return
    output.show(
        f"{count:,} parked events of {group} dropped"
        if yes
        else f"{count:,} parked events of {group} would be dropped; --yes does it"
    )
