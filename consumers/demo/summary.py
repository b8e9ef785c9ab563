"""What a person wants to see of a store: what is in it, who is behind, what it weighs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.rule import Rule
from rich.text import Text

from consumers.cli import output
from consumers.cli.artifact import history_table
from consumers.cli.branch import branch_tree
from consumers.cli.evaluation import pass_hat_table, summary_table
from consumers.cli.projection import lag_rows, lag_table, sample
from consumers.cli.session import evaluations_of
from consumers.monitoring.footprint import footprint
from eventstore.aggregate import aggregate
from eventstore.embedded import Home
from eventstore.scoring import all_evaluations, runs_by_evaluator
from eventstore.session_list import session_total
from eventstore.views import Views

if TYPE_CHECKING:
    from consumers.monitoring.sampling import StoreSample
    from eventstore.bus import EventBus


def print_summary(bus: EventBus, sample_session: str) -> None:
    """Write the summary to stdout."""
    sampled = sample(bus.store.parts.settings)
    _print_sample(bus, sample_session)
    _print_store(bus, sampled)
    _print_bytes(bus, sampled)
    _print_metrics_address(bus)


def _print_sample(bus: EventBus, session: str) -> None:
    rows = bus.search(session, order="asc", limit=100)
    output.show(Rule(Text("the sample run")))
    output.show(history_table(f"Timeline of {session}", rows))
    output.show(branch_tree(session, bus.branches(session)))
    evaluations = [
        (row["branch_id"], row["evaluator_id"], row["score"], _failed(row["metrics"]))
        for row in evaluations_of(bus.store, session)
    ]
    columns = ("branch", "evaluator", "#score", "what it misses")
    output.show(output.table("Scores of its branches", columns, evaluations))


def _failed(metrics: dict[str, float] | None) -> str:
    return ", ".join(name for name, value in (metrics or {}).items() if not value)


def _print_store(bus: EventBus, sampled: StoreSample) -> None:
    store = bus.store
    log = store.parts.log
    output.show(Rule(Text("the store")))
    sessions = store.reading(lambda: session_total(log))
    rows: list[tuple[Any, ...]] = sorted(sampled.appended.items(), key=lambda row: -row[1])
    total = sum(sampled.appended.values())
    title = f"{total:,} events in {sessions:,} sessions"
    output.show(output.table(title, ("event", "#count"), rows))
    output.show(lag_table(lag_rows(sampled)))
    verdicts = store.reading(lambda: all_evaluations(log, Views(log)))
    results = {name: aggregate(runs) for name, runs in runs_by_evaluator(verdicts).items()}
    if results:
        output.show(summary_table(results))
        output.show(pass_hat_table(results))


def _print_bytes(bus: EventBus, sampled: StoreSample) -> None:
    partitions = bus.store.parts.log.partitions
    kinds = bus.store.reading(lambda: footprint(partitions))
    rows: list[tuple[Any, ...]] = [(k.name, k.keys, output.size(k.bytes)) for k in kinds]
    rows.append(("all", sum(k.keys for k in kinds), output.size(sum(k.bytes for k in kinds))))
    output.show(output.table("Bytes in the server", ("kind of key", "#keys", "#bytes"), rows))
    files, stored = bus.store.parts.payloads.usage()
    waiting = output.size(sampled.waiting_bytes)
    kept = "" if files is None or stored is None else f"{files:,} files, {output.size(stored)}, in "
    where = bus.store.parts.payloads.url
    output.show(Text(f"Payload store: {kept}{where}; {waiting} wait in the server"))


def _print_metrics_address(bus: EventBus) -> None:
    home = bus.store.parts.location.home
    if home is None:
        return
    address = Home(home).metrics_address
    if address.exists():
        output.show(Text(f"Metrics: {address.read_text().strip()} while the worker runs"))
