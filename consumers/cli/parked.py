"""`eventstore parked`: the events that groups gave up, why, and what to do about them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from consumers.cli import output
from consumers.cli.context import GroupArgument, JsonOption, LimitOption, cli_of
from eventstore.errors import NotFound
from eventstore.header_view import header_of
from eventstore.parking.reading import count_parked, find, live_keys, page

if TYPE_CHECKING:
    from eventstore.codec import Recorded
    from eventstore.flow import Flow
    from eventstore.log import Log
    from eventstore.parking.reading import Count
    from eventstore.parking.record import Parked

app = typer.Typer(
    help="Parked events: what groups could not handle, and why.", no_args_is_help=True
)


@app.command("list")
def list_parked(
    ctx: typer.Context,
    group: Annotated[
        str | None, typer.Argument(metavar="[GROUP]", help="The events of one group.")
    ] = None,
    limit: LimitOption = 50,
    json: JsonOption = False,
) -> None:
    """Count what each group has parked, or list the parked events of one group."""
    store = cli_of(ctx).bus.store
    log = store.parts.log
    if group is None:
        counts = store.reading(partial(count_parked, log.partitions))
        _show_counts([count for count in counts if count.left_out], json=json)
        return
    items = store.reading(partial(_of_group, log, group, limit))
    if json:
        output.document([_document(partition, item) for partition, item in items])
        return
    columns = ("#partition", "#position", "ref", "session", "kind", "#tries", "parked at", "error")
    rows = [
        (
            *(partition, each.position, each.ref, each.session_id, each.kind),
            *(each.attempts, each.parked_at, each.error),
        )
        for partition, each in items
    ]
    output.show(output.table(f"Parked by {group}", columns, rows, fill="error"))


@app.command("show")
def show_parked(
    ctx: typer.Context,
    group: GroupArgument,
    ref: Annotated[str, typer.Argument(metavar="REF", help="Ref of the event.")],
    json: JsonOption = False,
) -> None:
    """Show a parked event: its header, and the traceback of the last try."""
    store = cli_of(ctx).bus.store
    recorded, item = store.reading(partial(_find, store.parts.log, group, ref))
    header = header_of(recorded)
    if json:
        output.document(
            {"group": group, **_document(recorded.partition, item), "header": header}
            | {"traceback": item.traceback}
        )
        return
    facts = [*_document(recorded.partition, item).items(), *header.items()]
    rows = [(name, output.shown(value)) for name, value in dict(facts).items()]
    output.show(output.table(f"Parked by {group}", ("", ""), rows, wrap=("",)))
    output.show("\n".join(map(output.printable, item.traceback.splitlines())))


def _of_group(log: Log, group: str, limit: int) -> Flow[list[tuple[int, Parked]]]:
    found: list[tuple[int, Parked]] = []
    for keys in log.partitions:
        names = yield from live_keys(keys, group)
        after = 0
        while len(found) < limit:
            after, items = yield from page(names, after)
            if not items:
                break
            found += [(keys.partition, item) for item in items]
    return found[:limit]


def _find(log: Log, group: str, ref: str) -> Flow[tuple[Recorded, Parked]]:
    recorded = yield from log.find(ref)
    keys = log.partitions[recorded.partition]
    names = yield from live_keys(keys, group)
    item = yield from find(names, recorded.position)
    if item is None:
        raise NotFound(
            f"group {group!r} has not parked {ref}; `eventstore parked list {group}` lists what it "
            "has"
        )
    return recorded, item


def _show_counts(counts: list[Count], *, json: bool) -> None:
    rows = [
        {
            "group": count.group,
            "partition": count.partition,
            "parked": count.parked,
            "dropped": count.left_out - count.parked,
        }
        for count in sorted(counts)
    ]
    if json:
        output.document(rows)
    else:
        columns = ("group", "#partition", "#parked", "#dropped")
        output.show(output.table("Parked events", columns, [list(row.values()) for row in rows]))


def _document(partition: int, item: Parked) -> dict[str, Any]:
    fields: dict[str, Any] = {"partition": partition, **msgspec.structs.asdict(item)}
    del fields["traceback"], fields["chain"]
    return fields
