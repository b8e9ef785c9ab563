"""`eventstore log trim`: what may leave the server, and letting it go."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.trimming.trim import Trimmer
from consumers.working.groups import known_groups
from eventstore.errors import InvalidInput
from eventstore.flow import blocking
from eventstore.journal import Journal
from eventstore.retention import Rule, Standing, look
from eventstore.settings_models import RetentionSettings

if TYPE_CHECKING:
    from eventstore.flow import Flow
    from eventstore.keys import Keys
    from eventstore.log import Log

_JOURNAL = "the journal's end"


def trim(
    ctx: typer.Context,
    keep_events: Annotated[
        int | None,
        typer.Option("--keep-events", min=1, help="By this rule, not that of the settings."),
    ] = None,
    keep_seconds: Annotated[
        float | None,
        typer.Option("--keep-seconds", min=0.001, help="By this rule, not that of the settings."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else say what would be done.")] = False,
    json: JsonOption = False,
) -> None:
    """Let events leave the server that the retention rule does not keep; the journal keeps all.

    Only what every consumer group has passed and the journal holds, whole, goes.
    """
    settings, store = cli_of(ctx).settings, cli_of(ctx).bus.store
    given = keep_events is not None or keep_seconds is not None
    by = RetentionSettings(keep_events=keep_events, keep_seconds=keep_seconds)
    rule = Rule.of(by if given else settings.retention)
    if not rule.active:
        raise InvalidInput(
            "retention: no rule, so all events stay in the server; set retention.keep_events or "
            "retention.keep_seconds, or give --keep-events or --keep-seconds"
        )
    log, groups = store.parts.log, tuple(known_groups())
    trimmer = Trimmer(log, store.parts.payloads, rule, groups)
    rows = []
    for keys in log.partitions:
        gone = 0
        if yes:
            store.reading(partial(trimmer.complete, keys))
            gone = store.reading(partial(trimmer.trim, keys)).events
        rows.append(_row(*store.reading(partial(_look, log, trimmer, keys)), gone))
    if json:
        output.document(rows)
    else:
        columns = ("#partition", "#first", "#head", "#may go", "#trimmed", "#waiting", "waits for")
        cells = [tuple(row[name] for name in _SHOWN) for row in rows]
        output.show(output.table("Retention", columns, cells))
        if not yes and any(row["may_go"] for row in rows):
            output.note("nothing was trimmed: --yes does it")


_SHOWN = ("partition", "first", "head", "may_go", "trimmed", "waiting", "waits_for")


def _look(log: Log, trimmer: Trimmer, keys: Keys) -> Flow[tuple[Standing, int]]:
    """Return where a partition stands, and the journal's end."""
    opened = yield from log.open()
    standing = yield from look(keys, trimmer.rule, trimmer.groups)
    journal = Journal(trimmer.payloads, opened.uuid)
    end = yield from blocking(journal.end, keys.partition)
    return standing, end.position


def _row(standing: Standing, journalled: int, trimmed: int) -> dict[str, Any]:
    last = min(standing.due, standing.passed, journalled - 1)
    may_go = max(0, last - standing.first + 1)
    return {
        "partition": standing.partition,
        "first": standing.first,
        "head": standing.head,
        "journalled": journalled,
        "due": standing.waiting,
        "may_go": may_go,
        "trimmed": trimmed,
        "waiting": standing.waiting - may_go,
        "waits_for": _waits_for(standing, journalled),
        "groups": dict(standing.groups),
    }


def _waits_for(standing: Standing, journalled: int) -> str | None:
    """Return who holds back most of what the rule does not keep; None if nobody does."""
    limits = {**standing.groups, _JOURNAL: journalled - 1}
    holder = min(limits, key=lambda name: (limits[name], name))
    return holder if standing.waiting and limits[holder] < standing.due else None
