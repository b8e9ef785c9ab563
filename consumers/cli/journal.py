"""`eventstore journal`: how far the journal is, and whether it is whole and the log's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import typer
from rich.text import Text

from consumers.checking.journal_verify import journal_status, verify_journal
from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.cli.exits import Exit
from eventstore.errors import Damaged

if TYPE_CHECKING:
    from eventstore.store import EventStore

_FIELDS = ("partition", "position", "chain", "behind")
_WHOLE = Text("whole", "green")
_DAMAGED = Text("damaged", "bold red")

app = typer.Typer(help="The journal: the log in files.", no_args_is_help=True)


@app.command("status")
def show_status(ctx: typer.Context, json: JsonOption = False) -> None:
    """Show how far the journal is, and how many files and bytes it takes."""
    found = journal_status(cli_of(ctx).bus.store)
    if json:
        output.document([msgspec.structs.asdict(each) for each in found])
        return
    columns = ("#partition", "#segments", "#size", "#position", "chain", "#head", "#behind")
    cells = [
        (
            each.partition,
            each.segments,
            output.size(each.bytes),
            each.position,
            each.chain,
            each.head,
            each.behind,
        )
        for each in found
    ]
    output.show(output.table("Journal", columns, cells))


@app.command("verify")
def verify_journals(ctx: typer.Context, json: JsonOption = False) -> None:
    """Read the journal: every segment whole, every entry as appended, the log's own history.

    Exits with 5 if it is not, after all partitions were read.
    """
    store = cli_of(ctx).bus.store
    found = [_verify(store, keys.partition) for keys in store.parts.log.partitions]
    if json:
        output.document(found)
    else:
        columns = ("#partition", "#position", "chain", "#behind", "")
        cells = [
            (*(row[name] for name in _FIELDS), _WHOLE if row["ok"] else _DAMAGED) for row in found
        ]
        output.show(output.table("Journal", columns, cells))
    problems = [row["problem"] for row in found if not row["ok"]]
    for problem in problems:
        output.fault(problem)
    if problems:
        raise typer.Exit(Exit.DAMAGED)


def _verify(store: EventStore, partition: int) -> dict[str, Any]:
    """Return what reading a partition found; unknown fields are null where it broke off."""
    try:
        verified = verify_journal(store, partition)
    except Damaged as error:
        unknown: dict[str, Any] = dict.fromkeys(_FIELDS)
        return {**unknown, "partition": partition, "ok": False, "problem": str(error)}
    return {**msgspec.structs.asdict(verified), "ok": True, "problem": None}
