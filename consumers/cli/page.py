"""`eventstore session page`: a session as one HTML file to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consumers.cli import output
from consumers.cli.context import JsonOption, SessionArgument, StaleOption, cli_of
from eventstore.errors import InvalidInput

OutOption = Annotated[Path, typer.Option("--out", "-o", help="File to write; it is replaced.")]


def write_page(
    ctx: typer.Context,
    session: SessionArgument,
    out: OutOption,
    stale: StaleOption = False,
    json: JsonOption = False,
) -> None:
    """Write a session as one self-contained HTML file: branches, agents, messages, raw JSON."""
    # Loads the template engine, which no other command needs.
    from consumers.page.collect import collect  # noqa: PLC0415
    from consumers.page.render import render  # noqa: PLC0415

    text = render(collect(cli_of(ctx).reader(stale=stale), session))
    # Half a surrogate pair, which a payload may hold, is shown as a mark.
    data = text.encode("utf-8", errors="replace")
    try:
        out.write_bytes(data)
    except OSError as error:
        problem = f"--out: {out}: {error.strerror}; name a file that can be written"
        raise InvalidInput(problem) from None
    if json:
        output.document({"session_id": session, "path": str(out), "bytes": len(data)})
    else:
        output.note(f"wrote {out}, {output.size(len(data))}")
