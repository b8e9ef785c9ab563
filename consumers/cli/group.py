"""`eventstore group`: every consumer group, and a program's own ones moved or taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import msgspec
import typer

from consumers.cli import output
from consumers.cli.context import GroupArgument, JsonOption, cli_of
from consumers.groups.deleting import delete_group
from consumers.groups.listing import list_groups
from consumers.groups.resetting import reset_group
from consumers.working.groups import known_groups
from eventstore.consuming.access import StoreAccess
from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from consumers.groups.resetting import Target
    from eventstore.settings import AppSettings

T = TypeVar("T")
app = typer.Typer(
    help="Consumer groups: where each is; those of programs moved or taken away.",
    no_args_is_help=True,
)
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do it; without, only say what would be done.")
]
TakeOverOption = Annotated[
    bool, typer.Option("--take-over", help="Also if a process consumes it; that one is cut off.")
]


@app.command("list")
def list_all(ctx: typer.Context, json: JsonOption = False) -> None:
    """List every consumer group: kind, position, lag, and who holds it, by partition."""
    places = _run(cli_of(ctx).settings, list_groups)
    if json:
        output.document([msgspec.structs.asdict(each) for each in places])
        return
    columns = (
        *("group", "kind", "#partition", "#position", "#head", "#lag (events)", "#lag (s)"),
        *("owner", "#pending"),
    )
    rows = [
        (
            *(each.group, each.kind, each.partition, each.position, each.head, each.lag_events),
            None if each.lag_seconds is None else f"{each.lag_seconds:.1f}",
            *(each.owner, each.pending),
        )
        for each in places
    ]
    output.show(output.table("Consumer groups", columns, rows))


@app.command("reset")
def reset(
    ctx: typer.Context,
    group: GroupArgument,
    to: Annotated[
        str, typer.Option("--to", metavar="PLACE", help="begin, end, or behind a position.")
    ],
    partition: Annotated[
        int | None, typer.Option("--partition", help="This partition only (default: all).")
    ] = None,
    take_over: TakeOverOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Move a subscriber: its next event is the one behind the place.

    What it keeps for itself in the store stays as it is. Refused while a process consumes the
    group, unless that is taken over. Read models are not moved: `projection rebuild`.
    """
    place = _place(to)
    moves = _run(
        cli_of(ctx).settings,
        lambda access: reset_group(
            access, group, place, partition, take_over=take_over, dry_run=not yes
        ),
    )
    columns = ("#partition", "#from", "#to", "owner")
    rows = [(each.partition, each.before, each.after, each.owner) for each in moves]
    _show(moves, f"{group}: positions", columns, rows, done=yes, json=json)


@app.command("delete")
def delete(
    ctx: typer.Context,
    group: GroupArgument,
    take_over: TakeOverOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Take a program's group away: its position, its own keys, its work, what it has parked.

    Trimming waits for it no more. Also takes away what a projection that is installed no more
    has left of its position. Refused while a process consumes the group, unless that is taken
    over.
    """
    found = _run(
        cli_of(ctx).settings,
        lambda access: delete_group(access, group, take_over=take_over, dry_run=not yes),
    )
    columns = ("#partition", "#position", "#own keys", "owner")
    rows = [(each.partition, each.position, each.keys, each.owner) for each in found]
    _show(found, f"{group}: what goes", columns, rows, done=yes, json=json)


def _place(text: str) -> Target:
    named: dict[str, Target] = {"begin": "begin", "end": "end"}
    if text in named:
        return named[text]
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput(f"--to {text!r}: it is begin, end or a position from 0 on")
    return int(text)


def _show(
    found: Sequence[msgspec.Struct],
    title: str,
    columns: tuple[str, ...],
    rows: list[tuple[Any, ...]],
    *,
    done: bool,
    json: bool,
) -> None:
    if json:
        partitions = [msgspec.structs.asdict(each) for each in found]
        output.document({"done": done, "partitions": partitions})
        return
    output.show(output.table(title, columns, rows))
    if not done:
        output.note("nothing was changed; --yes does it")


def _run(settings: AppSettings, work: Callable[[StoreAccess], Awaitable[T]]) -> T:
    async def run() -> T:
        access = StoreAccess(settings, groups=len(known_groups()))
        try:
            return await work(access)
        finally:
            with anyio.CancelScope(shield=True):
                await access.close()

    return anyio.run(run)
