"""`eventstore projection`: how far the consumers are, and whether read models are right."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import msgspec
import typer
from rich.text import Text

from consumers.checking.verifying import verify_projection
from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.cli.exits import Exit
from consumers.monitoring.sampling import StoreSample, sample_store
from consumers.working.groups import find_projection, known_groups, known_projections
from eventstore.consuming.access import StoreAccess

if TYPE_CHECKING:
    from rich.console import Group

    from consumers.checking.verifying import Verified
    from eventstore.settings import AppSettings
    from projections.verify import Difference

app = typer.Typer(help="Projections: lag, verification, rebuild.", no_args_is_help=True)


@app.command("list")
def list_projections(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the consumer groups: position, and lag in events and seconds, by partition."""
    rows = lag_rows(sample(cli_of(ctx).settings))
    if json:
        output.document(rows)
    else:
        output.show(lag_table(rows))


@app.command("verify")
def verify_projections(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One projection (default: all).")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare read models, row by row, with what the log makes of them.

    The workers may go on meanwhile. Exits with 1 if one differs.
    """
    chosen = known_projections() if name is None else (find_projection(name),)
    store = cli_of(ctx).bus.store
    log = store.parts.log
    found = [
        store.reading(partial(verify_projection, log, keys.partition, each))
        for each in chosen
        for keys in log.partitions
    ]
    if json:
        output.document([_document(verified) for verified in found])
    else:
        output.show(_verified_table(found))
        for verified in found:
            for difference in verified.differences:
                output.show(Text(f"{verified.projection}: {_sentence(difference)}"))
    if not all(verified.is_equal for verified in found):
        raise typer.Exit(Exit.FINDING)


def sample(settings: AppSettings) -> StoreSample:
    """Return what the store says of itself now."""

    async def look() -> StoreSample:
        groups = known_groups()
        access = StoreAccess(settings, len(groups))
        try:
            return await sample_store(access, groups)
        finally:
            await access.close()

    return anyio.run(look)


def lag_rows(sampled: StoreSample) -> list[dict[str, Any]]:
    """Return a row a group and partition."""
    return [
        {
            "group": slot.group,
            "partition": slot.partition,
            "position": lag.position,
            "head": lag.position + lag.events,
            "lag_events": lag.events,
            "lag_seconds": None if lag.seconds is None else round(lag.seconds, 3),
        }
        for slot, lag in sorted(sampled.lags.items())
    ]


def lag_table(rows: list[dict[str, Any]]) -> Group:
    """Return the rows as a table."""
    columns = ("group", "#partition", "#position", "#head", "#lag (events)", "#lag (s)")
    cells = [(*list(row.values())[:-1], _seconds(row["lag_seconds"])) for row in rows]
    return output.table("Consumer groups", columns, cells)


def _seconds(lag: float | None) -> str:
    return "unknown" if lag is None else f"{lag:.1f}"


def _verified_table(found: list[Verified]) -> Group:
    columns = ("projection", "#partition", "#position", "#keys", "#rows", "digest", "")
    rows = [
        (
            each.projection,
            each.partition,
            each.position,
            each.keys,
            each.rows,
            each.digest[:16],
            Text("equal", "green")
            if each.is_equal
            else Text(f"{each.keys_differing} keys differ", "bold red"),
        )
        for each in found
    ]
    return output.table("Read models against the log", columns, rows)


def _document(verified: Verified) -> dict[str, Any]:
    fields = msgspec.structs.asdict(verified)
    fields["equal"] = verified.is_equal
    fields["differences"] = [
        {
            "key": each.key,
            "row": _text(each.row),
            "expected": _text(each.expected),
            "found": _text(each.found),
        }
        for each in verified.differences
    ]
    return fields


def _sentence(difference: Difference) -> str:
    where = (
        difference.key if difference.row is None else f"{difference.key}: {_text(difference.row)}"
    )
    expected, found = (_text(v) or "nothing" for v in (difference.expected, difference.found))
    return f"{where}: the log says {expected}, the server has {found}"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")
