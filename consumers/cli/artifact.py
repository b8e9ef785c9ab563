"""`eventstore artifact`: publish, get and search; `tail` is in a module of its own."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.highlighter import JSONHighlighter
from rich.text import Text

from consumers.cli import output
from consumers.cli.amending import amend_artifact
from consumers.cli.context import JsonOption, LimitOption, SessionArgument, StaleOption, cli_of
from consumers.cli.moments import parse_moment
from consumers.cli.publishing import publish_artifact
from consumers.cli.tail import tail_artifacts
from eventstore.payloads import encode_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group

    from eventstore.operations import Row
    from eventstore.payloads import Form

app = typer.Typer(help="Artifacts: publish, get, search, follow.", no_args_is_help=True)
app.command("publish")(publish_artifact)
app.command("amend")(amend_artifact)
app.command("tail")(tail_artifacts)


@app.command("get")
def get_artifact(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="REF", help="Ref of the artifact.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the payload alone, byte for byte as kept.")
    ] = False,
    original: Annotated[
        bool, typer.Option("--original", help="As it was published, whatever amended it.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show an artifact by its ref; it is read from the log, so a new one is there at once."""
    row = cli_of(ctx).bus.get(ref, original=original)
    if raw:
        sys.stdout.buffer.write(raw_bytes(row))
        sys.stdout.buffer.flush()
    elif json:
        output.document(row_document(row))
    else:
        shown = [(name, output.as_json(value)) for name, value in row.header.items()]
        output.show(output.table("Header", ("field", "value"), shown))
        output.show(_payload_view(row.payload))


@app.command("search")
def search_artifacts(
    ctx: typer.Context,
    session: SessionArgument,
    tag: Annotated[
        str | None, typer.Option("--tag", help="A tag of its meta, or its type.")
    ] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Its type.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Who published it.")] = None,
    branch: Annotated[str | None, typer.Option("--branch", help="Where it was published.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="From this time on: ISO-8601, or 15m, 2h, 3d ago.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Before this time: as for --since.")
    ] = None,
    order: Annotated[
        Literal["asc", "desc"], typer.Option("--order", help="By event time.")
    ] = "desc",
    limit: LimitOption = 50,
    stale: StaleOption = False,
    json: JsonOption = False,
) -> None:
    """Find the artifacts of a session that pass every filter, newest first."""
    first, last = parse_moment(since, "--since"), parse_moment(until, "--until")
    rows = (
        cli_of(ctx)
        .reader(stale=stale)
        .search(
            session,
            tag=tag,
            type=type_,
            agent=agent,
            branch=branch,
            since=first,
            until=last,
            limit=limit,
            order=order,
        )
    )
    if json:
        output.document([row_document(row) for row in rows])
    else:
        output.show(history_table(f"Artifacts of {session}", rows))


def row_document(row: Row) -> dict[str, Any]:
    """Return an artifact as a JSON value: `payload`, or `payload_base64` if it is bytes."""
    if isinstance(row.payload, bytes):
        encoded = base64.b64encode(row.payload).decode()
        return {"header": row.header, "payload_base64": encoded}
    return {"header": row.header, "payload": row.payload}


def raw_bytes(row: Row) -> bytes:
    """Return the bytes of a payload as kept, before compression; none if there is no payload."""
    if "payload" not in row.header:
        return b""
    form: Form = row.header["payload"]["form"]
    return encode_payload(row.payload, form, compress_above=sys.maxsize).data


def history_table(title: str, rows: Sequence[Row]) -> Group:
    """Return artifacts as a table, a line each; refs where there is room for them."""
    days = {header["ts"][:10] for header, _ in rows}
    of_one_day = len(days) == 1
    if of_one_day:
        title = f"{title}, {days.pop()} (UTC)"
    columns = ["#step", "time", "branch", "agent", "type", "payload"]
    with_refs = output.width() >= _WIDTH_FOR_REFS
    if with_refs:
        columns.append("ref")
    cells = []
    for header, payload in rows:
        cell = [
            header["step_idx"],
            header["ts"][11:19] if of_one_day else header["ts"],
            header["branch_id"],
            header["agent_id"],
            Text(output.printable(header["type"]), style=_STYLES.get(header["type"], "")),
            output.preview(payload),
        ]
        cells.append([*cell, header["ref"]] if with_refs else cell)
    return output.table(title, columns, cells, fill="payload")


_WIDTH_FOR_REFS = 120
_STYLES = {
    "state": "blue",
    "tool_call": "yellow",
    "tool_result": "green",
    "evaluation": "magenta",
    "metrics": "dim",
}


def _payload_view(payload: Any) -> Text:
    if isinstance(payload, bytes):
        return Text(f"{len(payload):,} bytes; --raw writes them out")
    if isinstance(payload, str):
        return Text(output.printable_lines(payload))
    shown = JSONHighlighter()(output.printable_json(payload))
    shown.no_wrap = True
    return shown
