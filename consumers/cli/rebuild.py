"""`eventstore projection rebuild`: a read model made anew from the log."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.cli.exits import Exit
from consumers.rebuild.run import Stage, abort_rebuild, rebuild_projection
from consumers.working.groups import find_projection
from eventstore.consuming.access import StoreAccess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from rich.console import Group

    from consumers.rebuild.run import Rebuilt, Report, Step
    from eventstore.settings import AppSettings

T = TypeVar("T")


def rebuild(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The projection.")],
    partition: Annotated[
        int | None, typer.Option("--partition", help="This partition only (default: all).")
    ] = None,
    abort: Annotated[
        bool, typer.Option("--abort", help="Give an unfinished rebuild up, drop what it built.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a read model anew from the log, while producers, workers and readers go on.

    Readers see the old one until the new one is whole. A rebuild that was killed is completed by
    running it again. Exits with 1 if the result is not what a fold of the log gives.
    """
    settings, projection = cli_of(ctx).settings, find_projection(name)
    with _progress(quiet=json) as report:
        if abort:
            dropped = _run(settings, lambda it: abort_rebuild(it, projection, report, partition))
            _show_abort(name, dropped, json=json)
            return
        found = _run(settings, lambda it: rebuild_projection(it, projection, report, partition))
    if json:
        output.document([_document(rebuilt) for rebuilt in found])
    else:
        output.show(_table(found))
    if not all(rebuilt.verified.is_equal for rebuilt in found):
        output.fault(
            f"{name} differs from a fold of the log; `eventstore projection verify {name}` shows "
            "where. If the projection's code changed during the rebuild, rebuild it again"
        )
        raise typer.Exit(Exit.FINDING)


def _run(settings: AppSettings, work: Callable[[StoreAccess], Awaitable[T]]) -> T:
    async def run() -> T:
        access = StoreAccess(settings, groups=1)
        try:
            return await work(access)
        finally:
            with anyio.CancelScope(shield=True):
                await access.close()

    return anyio.run(run)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Report]:
    """Show each stage of each partition as a bar with its rate, on a terminal."""
    console = output.error_console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}{task.fields[of]}  {task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        tasks: dict[tuple[int, Stage], Any] = {}

        def report(step: Step) -> None:
            place = (step.partition, step.stage)
            if place not in tasks:
                description = f"partition {step.partition}: {step.stage.value}"
                tasks[place] = progress.add_task(description, total=None, of="", rate="")
            of = "" if step.total is None else f"/{step.total:,}"
            progress.update(tasks[place], completed=step.done, total=step.total, of=of)
            speed = progress.tasks[tasks[place]].speed
            unit = "events" if step.stage is Stage.BUILD else "keys"
            rate = "" if speed is None else f"{speed:,.0f} {unit}/s"
            progress.update(tasks[place], rate=rate)

        yield report


def _show_abort(name: str, dropped: int | None, *, json: bool) -> None:
    if json:
        output.document(
            {"projection": name, "aborted": dropped is not None, "keys_dropped": dropped}
        )
    elif dropped is None:
        output.show(f"no rebuild of {name} is unfinished")
    else:
        output.show(f"the unfinished rebuild of {name} is given up, {dropped:,} keys dropped")


def _document(rebuilt: Rebuilt) -> dict[str, Any]:
    verified = rebuilt.verified
    fields = msgspec.structs.asdict(rebuilt)
    del fields["verified"]
    return fields | {
        "events_per_second": _rate(rebuilt),
        "position": verified.position,
        "keys": verified.keys,
        "rows": verified.rows,
        "digest": verified.digest,
        "equal": verified.is_equal,
        "keys_differing": verified.keys_differing,
    }


def _rate(rebuilt: Rebuilt) -> float | None:
    """Return events a second, None where too little was done to tell."""
    return round(rebuilt.events / rebuilt.seconds, 1) if rebuilt.events else None


def _table(found: list[Rebuilt]) -> Group:
    columns = (
        *("projection", "#partition", "#generation", "#position", "#events", "#events/s"),
        *("#keys", "#dropped", "digest", ""),
    )
    rows = []
    for each in found:
        verified, rate = each.verified, _rate(each)
        row = (each.projection, each.partition, each.generation, verified.position, each.events)
        verdict = Text("equal", "green") if verified.is_equal else Text("differs", "bold red")
        per_second = None if rate is None else round(rate)
        digest = verified.digest[:16]
        rows.append((*row, per_second, verified.keys, each.keys_dropped, digest, verdict))
    return output.table("Rebuilt, and compared with a fold of the log", columns, rows)
