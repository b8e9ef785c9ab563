"""`eventstore artifact publish`: an artifact from arguments, a file or stdin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, SessionArgument, cli_of
from consumers.importing.json_text import load_json
from eventstore.errors import InvalidInput

Form = Literal["json", "text", "bytes"]
FileOption = Annotated[Path | None, typer.Option("--file", help="Read the payload from it.")]


def publish_artifact(
    ctx: typer.Context,
    session: SessionArgument,
    payload: Annotated[
        str | None, typer.Argument(metavar="[PAYLOAD]", help="The payload; - reads stdin.")
    ] = None,
    type_: Annotated[str, typer.Option("--type", help="Type: state, tool_call, …")] = "state",
    agent: Annotated[str, typer.Option("--agent", help="Who publishes it.")] = "operator",
    branch: Annotated[str | None, typer.Option("--branch", help="Branch (default: main).")] = None,
    file: FileOption = None,
    form: Annotated[
        Form, typer.Option("--as", help="What the payload is: a JSON value, text or bytes.")
    ] = "json",
    mime: Annotated[str | None, typer.Option("--mime", help="Media type.")] = None,
    ref: Annotated[
        str | None, typer.Option("--ref", help="Ref, so that publishing it again adds nothing.")
    ] = None,
    parent: Annotated[
        list[str] | None, typer.Option("--parent", help="Ref that it comes from; repeatable.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Tag; repeatable.")] = None,
    header: Annotated[
        str | None, typer.Option("--header", help="Further header fields, a JSON object.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Publish an artifact, and print its ref."""
    fields = header_fields(header)
    given = {
        "session_id": session,
        "agent_id": agent,
        "type": type_,
        "branch_id": branch,
        "mime": mime,
        "ref": ref,
        "parent_refs": parent,
    }
    # No option, or no parent; an empty name is refused by its field.
    fields |= {name: value for name, value in given.items() if value not in (None, [])}
    if tag:
        fields["meta"] = {**(fields.get("meta") or {}), "tags": tag}
    value = given_payload(payload, file, form)
    appended = cli_of(ctx).bus.publish(fields, value)
    if json:
        output.document(msgspec.to_builtins(appended))
    else:
        typer.echo(appended.ref)


def header_fields(text: str | None) -> dict[str, Any]:
    """Return the header fields that `--header` names. Raises `InvalidInput`."""
    if text is None:
        return {}
    try:
        value = load_json(text)
    except ValueError as error:
        raise InvalidInput(f"--header: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get("meta"), dict | None):
        raise InvalidInput("--header: is an object of header fields, and its meta an object")
    return value


def given_payload(payload: str | None, file: Path | None, form: Form) -> Any:
    """Return the payload that an argument, stdin or a file holds. Raises `InvalidInput`."""
    return _parse(_read(payload, file), form)


def _read(payload: str | None, file: Path | None) -> bytes:
    if (payload is None) == (file is None):
        raise InvalidInput("payload: give it as an argument (- for stdin) or with --file, not both")
    if file is not None:
        try:
            return file.read_bytes()
        except OSError as error:
            raise InvalidInput(f"--file: {file} cannot be read: {error.strerror}") from error
    assert payload is not None
    # Arguments that are no Unicode text come with surrogates; they go back to their bytes.
    return sys.stdin.buffer.read() if payload == "-" else payload.encode(errors="surrogateescape")


def _parse(data: bytes, form: Form) -> Any:
    if form == "bytes":
        return data
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"payload: byte {error.start} is not UTF-8 text; publish it with --as bytes"
        ) from None
    if form == "text":
        return text
    try:
        return load_json(text)
    except ValueError as error:
        raise InvalidInput(f"payload: {error}; quote it, or publish it with --as text") from None
