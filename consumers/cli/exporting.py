"""`eventstore export`: a session, or all of them, as chat messages or as whole events."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final, Literal

import typer

from consumers.cli import output
from consumers.cli.context import StaleOption, cli_of
from consumers.cli.exits import Exit
from consumers.exporting.chat import chat_messages
from consumers.exporting.events import session_lines, store_lines
from eventstore.errors import ExportRefused, InvalidInput, NotFound, SessionNotFound
from eventstore.events import MAIN_BRANCH
from eventstore.session_list import all_sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumers.exporting.chat import Message
    from eventstore.bus import EventBus

CHAT: Final = "openai-chat"
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write to this file, whole or not at all."),
]


def export_sessions(
    ctx: typer.Context,
    session: Annotated[
        str | None, typer.Argument(metavar="[SESSION]", help="Id of the session.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every session.")] = False,
    format_name: Annotated[
        Literal["openai-chat", "jsonl"],
        typer.Option("--format", help="Chat messages of a branch, or whole events, one a line."),
    ] = CHAT,
    branch: Annotated[
        str | None, typer.Option("--branch", help="Whose messages (default: main).")
    ] = None,
    out: OutOption = None,
    stale: StaleOption = False,
) -> None:
    """Export a session as its list of chat messages, or as its events, one a line.

    Messages of an imported run come back as the source's list, equal as JSON; `import` takes
    events back as they were.
    """
    if (session is None) == (not everything):
        raise InvalidInput("export: name one SESSION, or say --all")
    cli = cli_of(ctx)
    left_out = 0
    if format_name == CHAT:
        bus = cli.reader(stale=stale)
        with _target(out) as file:
            left_out = _write_chat(file, bus, session, branch or MAIN_BRANCH)
    else:
        if branch is not None:
            raise InvalidInput("--branch: jsonl holds every branch of a session")
        store = cli.bus.store
        with _target(out) as file:
            lines = store_lines(store) if session is None else session_lines(store, session)
            file.writelines(lines)
    if left_out:
        raise typer.Exit(Exit.FINDING)


def messages_of(bus: EventBus, session: str, branch: str = MAIN_BRANCH) -> list[Message]:
    """Return the chat messages of a branch. Raises `SessionNotFound` or `BranchNotFound`."""
    try:
        rows = bus.history(session, branch)
    except SessionNotFound:
        # A session that was opened, and nothing published yet, has no branch.
        if branch != MAIN_BRANCH or not bus.store.read(session, limit=1):
            raise
        rows = []
    return chat_messages(rows)


def _write_chat(file: BinaryIO, bus: EventBus, session: str | None, branch: str) -> int:
    """Write one session or, for None, all; return how many no messages can hold."""
    if session is None:
        return _write_all(file, bus, branch)
    messages = messages_of(bus, session, branch)
    file.write(f"{output.as_json(messages, indent=2)}\n".encode())
    return 0


def _write_all(file: BinaryIO, bus: EventBus, branch: str) -> int:
    """Write session by session, those without the branch left out; one is in memory at a time."""
    log = bus.store.parts.log
    separator, left_out = "{\n", 0
    for session in bus.store.reading(lambda: all_sessions(log)):
        try:
            messages = messages_of(bus, session, branch)
        except NotFound:
            continue
        except ExportRefused as error:
            output.note(f"left out session {session!r}: {error}; --format jsonl holds it")
            left_out += 1
            continue
        file.write(f"{separator}{output.as_json(session)}: {output.as_json(messages)}".encode())
        separator = ",\n"
    file.write(b"{}\n" if separator == "{\n" else b"\n}\n")
    return left_out


@contextmanager
def _target(path: Path | None) -> Iterator[BinaryIO]:
    """Give stdout, or a new file that takes the place of `path` once it is whole."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # Not named for `path`, whose own name may be as long as names can be.
    part = path.with_name(f".export-{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise InvalidInput(f"--out: {path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
