"""`eventstore import`: recorded runs and exported events into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.importing.detect import AUTO, NAMES, holds_events
from consumers.importing.load import Loading, check_files

if TYPE_CHECKING:
    from consumers.importing.load import Loaded
    from eventstore.bus import EventBus

PathsArgument = Annotated[
    list[Path], typer.Argument(metavar="PATH…", help="Files of recorded runs, or of events.")
]


def import_files(
    ctx: typer.Context,
    paths: PathsArgument,
    format_name: Annotated[
        str, typer.Option("--format", help=f"One of {', '.join(NAMES)}.")
    ] = AUTO,
    json: JsonOption = False,
) -> None:
    """Import recorded runs, or exported events; what is there already is not added again.

    Every file of runs is checked whole before the first event is appended. A file of exported
    events is read line by line; what stands before a damaged line is in.
    """
    cli = cli_of(ctx)
    loaded = import_paths(cli.bus, paths, format_name, quiet=json)
    if json:
        output.document(msgspec.to_builtins(loaded))
    else:
        output.show(
            f"{loaded.runs:,} runs of {loaded.files} files: {loaded.events:,} events, "
            f"{loaded.added:,} added, {loaded.known:,} there already"
        )


def import_paths(
    bus: EventBus, paths: list[Path], format_name: str = AUTO, *, quiet: bool = False
) -> Loaded:
    """Import files with a progress bar on stderr, if that is a terminal and not `quiet`.

    Says how far it came when it is interrupted or refused on its way.
    """
    console = output.error_console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        task = progress.add_task("checking files", total=None)
        of_events = [path for path in paths if holds_events(path, format_name)]
        of_runs = [path for path in paths if path not in of_events]
        runs = check_files(of_runs, bus.store.parts.settings.store.compress_above, format_name)
        events = sum(len(run.drafts) for run in runs)
        progress.update(task, description="appending events", total=None if of_events else events)
        loading = Loading(bus.store, lambda count: progress.advance(task, count))
        try:
            loading.load_runs(runs, files=len(of_runs))
            for path in of_events:
                loading.load_events(path)
        except BaseException:
            progress.stop()
            if loading.loaded.events:
                output.note(
                    f"stopped after {loading.loaded.events:,} events, {loading.loaded.added:,} of "
                    "them added; the same import again completes it"
                )
            raise
    return loading.loaded
