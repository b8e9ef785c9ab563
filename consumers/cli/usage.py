"""`eventstore log usage`: the bytes that the store takes, by what they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer  # noqa: TC002 - typer reads the annotations
from rich.text import Text

from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.monitoring.usage import measure

if TYPE_CHECKING:
    from rich.console import Group

    from consumers.monitoring.usage import Usage


def show_usage(ctx: typer.Context, json: JsonOption = False) -> None:
    """Show measured bytes: in the server by kind of key, of journal, index and payloads.

    Walks every key and file of the store.
    """
    found = measure(cli_of(ctx).bus.store)
    if json:
        output.document(found.as_dict())
        return
    output.show(_keys_table(found))
    output.show(_logs_table(found))
    output.show(_files_table(found))
    for line in _lines(found):
        output.show(Text(line))


def _keys_table(found: Usage) -> Group:
    rows: list[tuple[Any, ...]] = [
        (kind.name, kind.keys, output.size(kind.bytes)) for kind in found.kinds
    ]
    total = sum(kind.bytes for kind in found.kinds)
    rows.append(("all", sum(kind.keys for kind in found.kinds), output.size(total)))
    return output.table("Bytes in the server", ("kind of key", "#keys", "#bytes"), rows)


def _logs_table(found: Usage) -> Group:
    columns = ("#partition", "#trimmed up to", "#in the server", "#bytes", "#in the journal")
    rows = [
        (log.partition, log.trimmed, log.events, output.size(log.bytes), log.journalled)
        for log in found.logs
    ]
    return output.table("Events", columns, rows)


def _files_table(found: Usage) -> Group:
    rows = [
        (files.name, files.files, None if files.bytes is None else output.size(files.bytes))
        for files in found.files
    ]
    return output.table("Bytes in files", ("what", "#files", "#bytes"), rows)


def _lines(found: Usage) -> list[str]:
    limit = "no limit" if not found.maxmemory else output.size(found.maxmemory)
    return [
        f"The server uses {output.size(found.used_memory)} in all, of {limit}",
        f"{output.size(found.waiting_bytes)} of payloads wait in it to be stored",
    ]
