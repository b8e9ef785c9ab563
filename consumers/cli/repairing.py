"""`eventstore repair`: what there is of a log and its journal, and which of two is to be kept."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.cli.exits import Exit
from eventstore.embedded import accept_damage, open_home
from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from consumers.cli.context import Cli
    from eventstore.embedded import Damage
    from eventstore.opening.examining import Examined
    from eventstore.opening.repairing import Repaired
    from eventstore.store import EventStore

_STYLES = {"well": "green", "sealed": "yellow", "lost": "yellow"}
_ADVICE = {
    "sealed": "open the store: it is compared with the journal then",
    "lost": "what the journal holds is put back when a replaced server is opened; on one that "
    "is open, `eventstore repair --keep journal` does it",
    "differs": "`eventstore repair --keep stream` or `--keep journal`",
    "poisoned": "`eventstore repair --keep journal`, which keeps what is whole of both",
    "gone": "`eventstore repair --keep journal`, or bring the keys back",
}


class Keep(StrEnum):
    """Which history is to be kept."""

    STREAM = "stream"
    JOURNAL = "journal"


def repair(
    ctx: typer.Context,
    keep: Annotated[
        Keep | None, typer.Option("--keep", help="Keep this one; without it, only look.")
    ] = None,
    partition: Annotated[
        int | None, typer.Option("--partition", help="This partition only (default: all).")
    ] = None,
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="Go on without what only damaged files held."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Look at log and journal where they contradict each other, and keep the one you choose.

    What the other one had is kept in files below lost/, beside the journal. Exits with 1 if a
    partition needs a choice.
    """
    cli = cli_of(ctx)
    if accept_loss:
        if keep is not None or partition is not None:
            raise InvalidInput("--accept-loss: goes with neither --keep nor --partition")
        _accept(cli, json=json)
        return
    store = cli.bus.store
    if keep is None:
        _look(store, partition, json=json)
        return
    repaired = store.repair(keep.value, partition)
    if json:
        output.document(msgspec.to_builtins(repaired))
    else:
        _show(repaired)
    if repaired.problem is not None:
        output.fault(f"the store cannot be opened yet: {repaired.problem}")
        raise typer.Exit(Exit.DAMAGED)


def _accept(cli: Cli, *, json: bool) -> None:
    store = cli.bus.store
    if store.parts.location.damage() is None:
        raise InvalidInput(
            "--accept-loss: there is no embedded store here whose files were damaged"
        )
    damage = accept_damage(open_home(cli.home_path()))
    if damage is None:
        raise InvalidInput("--accept-loss: somebody else has said so already")
    opened = store.open()
    if json:
        output.document(
            {
                "store": opened.uuid,
                "directories": [str(each) for each in damage.directories],
                "why": damage.why,
            }
        )
    else:
        typer.echo(f"store {opened.uuid} is open; the damaged files stay in {damage.where}")


def _look(store: EventStore, partition: int | None, *, json: bool) -> None:
    found = [each for each in store.examine() if partition in (None, each.keys.partition)]
    damage = store.parts.location.damage()
    rows = [_row(each, damage) for each in found]
    if json:
        output.document(rows)
    else:
        columns = ("#partition", "", "state", "#both", "#log", "chain", "#journal", "chain ")
        cells = [
            (
                row["partition"],
                Text(row["verdict"], style=_STYLES.get(row["verdict"], "bold red")),
                row["state"],
                row["common"],
                *(row[of][name] for of in ("log", "journal") for name in ("position", "chain")),
            )
            for row in rows
        ]
        output.show(output.table("Log and journal", columns, cells))
    for row in rows:
        if row["problem"]:
            output.fault(f"partition {row['partition']}: {row['problem']}; {row['remedy']}")
    if any(row["verdict"] in ("differs", "poisoned", "gone") for row in rows):
        raise typer.Exit(Exit.FINDING)


def _row(found: Examined, damage: Damage | None) -> dict[str, Any]:
    problem, remedy = found.problem, _ADVICE.get(found.verdict, "")
    held = 0 if damage is None else damage.ends.get(found.keys.stream, 0)
    if damage is not None and held > max(found.log.position, found.journal.position):
        problem = f"damaged files in {damage.where} held events up to {held}"
        remedy = "mend them, or `eventstore repair --accept-loss`"
    return {
        "partition": found.keys.partition,
        "verdict": found.verdict,
        "state": found.state,
        "common": found.common,
        "log": found.log._asdict(),
        "journal": found.journal._asdict(),
        "foreign": len(found.foreign),
        "problem": problem,
        "remedy": remedy,
    }


def _show(repaired: Repaired) -> None:
    columns = ("#partition", "kept", "#both", "#position", "chain", "#events aside", "files")
    rows = [
        (
            *(each.partition, each.kept, each.common, each.position, each.chain),
            *(each.lost_events, " ".join(each.lost_files)),
        )
        for each in repaired.partitions
    ]
    output.show(output.table("Repaired", columns, rows, wrap=("files",)))
