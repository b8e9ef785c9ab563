"""`eventstore eval`: the scores of runs taken together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, StaleOption, cli_of
from eventstore.aggregate import Aggregate, aggregate
from eventstore.errors import InvalidInput
from eventstore.scoring import all_evaluations, runs_by_evaluator
from eventstore.views import Views

if TYPE_CHECKING:
    from rich.console import Group

app = typer.Typer(help="Evaluations: scores over many runs.", no_args_is_help=True)


@app.callback()
def evaluations() -> None:
    """Evaluations: scores over many runs."""


@app.command("aggregate")
def aggregate_scores(
    ctx: typer.Context,
    evaluator: Annotated[
        str | None,
        typer.Option(
            "--evaluator",
            help="All evaluations of this one (default: of each, those that have a group).",
        ),
    ] = None,
    stale: StaleOption = False,
    json: JsonOption = False,
) -> None:
    """Aggregate the scores of runs: mean, standard error, and pass^k over groups of runs.

    A run is a target that was judged, its group the task. Unscored runs are no zeros: pass^k is
    given with them as failures, and without them.
    """
    log = cli_of(ctx).reader(stale=stale).store.parts.log
    store = cli_of(ctx).bus.store
    rows = store.reading(lambda: all_evaluations(log, Views(log)))
    results = {name: aggregate(runs) for name, runs in runs_by_evaluator(rows, evaluator).items()}
    _note_what_is_left_out(rows, evaluator)
    if json:
        output.document(msgspec.to_builtins(_only(results)))
    elif results:
        output.show(summary_table(results))
        output.show(pass_hat_table(results))
    else:
        output.note("no evaluation to aggregate")


def _only(results: dict[str, Aggregate]) -> Aggregate:
    """Return the one aggregate; scores of several evaluators are not one number."""
    if len(results) > 1:
        raise InvalidInput(
            f"--evaluator: {len(results)} evaluators judged runs: {', '.join(sorted(results))}; "
            "name one"
        )
    return next(iter(results.values()), aggregate([]))


def _note_what_is_left_out(rows: list[dict[str, Any]], evaluator: str | None) -> None:
    mine = [row for row in rows if evaluator is None or row["evaluator_id"] == evaluator]
    pending = sum(row["status"] in ("requested", "started") for row in mine)
    if pending:
        output.note(f"{pending} evaluations have no verdict yet and are left out")
    ungrouped = sorted({str(r["evaluator_id"]) for r in mine if r["group_id"] is None})
    if evaluator is None and ungrouped:
        output.note(
            f"evaluations without a group are left out, by {', '.join(ungrouped)}; "
            "--evaluator takes all of one"
        )


def summary_table(results: dict[str, Aggregate]) -> Group:
    """Return count, mean and standard error, a row an evaluator."""
    rows = [
        (name, result.count, result.unscored, result.mean, result.stderr)
        for name, result in results.items()
    ]
    columns = ("evaluator", "#runs", "#unscored", "#mean of scored", "#standard error")
    return output.table("Scores", columns, rows)


def pass_hat_table(results: dict[str, Aggregate]) -> Group:
    """Return pass^k, two rows an evaluator: unscored runs as failures, and left out."""
    most = max(len(result.pass_hat_k_scored_only) for result in results.values())
    rows = []
    for name, result in results.items():
        for label, values in (
            ("unscored as failures", result.pass_hat_k_unscored_as_failures),
            ("scored runs only", result.pass_hat_k_scored_only),
        ):
            rows.append((name, label, *values, *[None] * (most - len(values))))
    columns = ("evaluator", "runs", *(f"#pass^{k}" for k in range(1, most + 1)))
    return output.table("pass^k, the chance that k runs of a task all succeed", columns, rows)
