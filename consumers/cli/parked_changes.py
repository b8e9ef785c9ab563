"""`eventstore parked replay` and `drop`: parked events handed on again, or given up for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from consumers.cli import output
from consumers.cli.context import GroupArgument, JsonOption, cli_of
from consumers.cli.exits import Exit
from consumers.parking.changing import drop_parked, replay_parked
from eventstore.consuming.access import StoreAccess
from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from eventstore.parking.replaying import Replayed
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
    found = anyio.run(_replay, cli_of(ctx).settings, group, handler, json)
    handled, failed = sum(each.handled for each in found), sum(each.failed for each in found)
    if json:
        output.document({"group": group, "handled": handled, "failed": failed})
    else:
        said = f"{handled:,} events of {group} are parked no more"
        output.show(f"{said}, {failed:,} failed again" if failed else said)
    if failed:
        raise typer.Exit(Exit.FINDING)


async def _replay(
    settings: AppSettings, group: str, handler: str | None, quiet: bool
) -> list[Replayed]:
    access = StoreAccess(settings, groups=1)
    console = output.error_console()
    try:
        with console.status("") as status:

            def report(done: Replayed) -> None:
                if not quiet:
                    status.update(f"partition {done.partition}: {done.handled:,} events")

            return await replay_parked(access, group, handler, report)
    finally:
        with anyio.CancelScope(shield=True):
            await access.close()


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
