"""`eventstore artifact amend`: a correction of an artifact, shown in its place."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.cli.publishing import FileOption, Form, given_payload, header_fields
from eventstore.amending import UNCHANGED


def amend_artifact(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="REF", help="Ref of the artifact.")],
    payload: Annotated[
        str | None, typer.Argument(metavar="[PAYLOAD]", help="The new payload; - reads stdin.")
    ] = None,
    file: FileOption = None,
    form: Annotated[
        Form, typer.Option("--as", help="What the payload is: a JSON value, text or bytes.")
    ] = "json",
    header: Annotated[
        str | None,
        typer.Option("--header", help="Header fields that change, a JSON object; null clears one."),
    ] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Who corrects it.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None,
    amendment_ref: Annotated[
        str | None,
        typer.Option("--ref", help="Ref of the event: made again with it, the call adds nothing."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Correct an artifact, and print the ref of the correction; the original is kept."""
    given = payload is not None or file is not None
    value = given_payload(payload, file, form) if given else UNCHANGED
    appended = cli_of(ctx).bus.amend(
        ref,
        header_fields(header),
        value,
        agent_id=agent,
        reason=reason,
        amendment_ref=amendment_ref,
    )
    if json:
        output.document(msgspec.to_builtins(appended))
    else:
        typer.echo(appended.ref)
