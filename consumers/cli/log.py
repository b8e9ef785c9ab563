"""`eventstore log verify`: whether the log is whole."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import typer
from rich.text import Text

from consumers.checking.log_verify import verify_log
from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.cli.exits import Exit
from eventstore.errors import Damaged

if TYPE_CHECKING:
    from eventstore.store import EventStore

_FIELDS = ("partition", "position", "chain", "sessions", "lanes")
_WHOLE = Text("whole", "green")
_DAMAGED = Text("damaged", "bold red")

app = typer.Typer(help="The log: verification, trimming, bytes.", no_args_is_help=True)


@app.callback()
def log_commands() -> None:
    """The log: verification, trimming, bytes."""


@app.command("verify")
def verify_logs(ctx: typer.Context, json: JsonOption = False) -> None:
    """Walk the log: every entry as it was appended, every position and chain in place.

    Exits with 5 at damage, after all partitions were walked.
    """
    store = cli_of(ctx).bus.store
    found = [_verify(store, keys.partition) for keys in store.parts.log.partitions]
    whole = all(row["ok"] for row in found)
    if json:
        output.document(found)
    else:
        columns = ("#partition", "#position", "chain", "#sessions", "#lanes", "")
        cells = [
            (*(row[name] for name in _FIELDS), _WHOLE if row["ok"] else _DAMAGED) for row in found
        ]
        output.show(output.table("Log", columns, cells))
    for row in found:
        if not row["ok"]:
            output.fault(row["problem"])
    if not whole:
        raise typer.Exit(Exit.DAMAGED)


def _verify(store: EventStore, partition: int) -> dict[str, Any]:
    """Return what a walk over a partition found; unknown fields are null where it broke off."""
    try:
        verified = store.reading(partial(verify_log, store.parts.log, partition))
    except Damaged as error:
        unknown: dict[str, Any] = dict.fromkeys(_FIELDS)
        return {**unknown, "partition": partition, "ok": False, "problem": str(error)}
    return {**msgspec.structs.asdict(verified), "ok": True, "problem": None}
