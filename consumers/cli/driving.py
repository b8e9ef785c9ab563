"""`eventstore drive`: a session driver in this process."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import anyio
import typer

from consumers.cli.context import cli_of
from consumers.session_driver import drive_sessions
from eventstore.logs import configure_logging


def drive(
    ctx: typer.Context,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", min=0.1, help="Seconds that a tick may take (default: agent.tick_timeout)."
        ),
    ] = None,
) -> None:
    """Start the ticks of open sessions that have live agents, until SIGTERM or Ctrl-C.

    A tick ends when all its agents have acknowledged it, finished or left, or when its time is
    over, naming who stalled. Any number of drivers may run.
    """
    settings = cli_of(ctx).settings
    if timeout is not None:
        agent = settings.agent.model_copy(update={"tick_timeout": timeout})
        settings = settings.model_copy(update={"agent": agent})
    home = settings.home if settings.home is not None and settings.home.is_dir() else None
    configure_logging(settings, worker="driver", base=home, force=True)
    anyio.run(partial(drive_sessions, settings))
