"""The root command: options for all, errors as one line and an exit code."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from consumers.cli import output
from consumers.cli.context import Cli, cli_of
from consumers.cli.exits import MEANINGS, Exit, exit_code
from consumers.cli.logs import log_to_stderr
from eventstore.errors import EventStoreError

EPILOG = "\n\n".join(
    ["Exit codes:", *(f"{code:d}  {meaning}" for code, meaning in MEANINGS.items())]
)


class RootGroup(TyperGroup):
    """Turns every error of the project into one line on stderr and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except EventStoreError as error:
            raise typer.Exit(_report(error, as_json=cli_of(ctx).json)) from None


def _report(error: EventStoreError, *, as_json: bool) -> Exit:
    code = exit_code(error)
    message = " ".join(str(error).split("\n"))
    if as_json:
        said = {"type": type(error).__name__, "message": message, "exit_code": int(code)}
        output.document({"error": said})
    output.fault(message)
    return code


app = typer.Typer(
    name="eventstore",
    cls=RootGroup,
    help="The event store for LLM-agent systems.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Data directory of the embedded store (default: EVENTSTORE_HOME, else the "
        "nearest .eventstore/, else ./.eventstore/).",
    ),
]


def _say_version(asked: bool) -> None:
    if asked:
        output.show(f"eventstore {importlib.metadata.version('eventstore')}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which it is.")
]


@app.callback()
def root(ctx: typer.Context, home: HomeOption = None, version: VersionOption = False) -> None:
    """The event store for LLM-agent systems."""
    del version
    log_to_stderr()
    ctx.obj = Cli(home)
    ctx.call_on_close(ctx.obj.close)
