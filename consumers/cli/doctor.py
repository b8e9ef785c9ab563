"""`eventstore doctor`: is everything well, and if not, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import typer
from rich.text import Text

from consumers.cli import output
from consumers.cli.context import JsonOption, cli_of
from consumers.cli.exits import Exit
from consumers.monitoring.diagnosis import examine_home, examine_store
from eventstore.health_checks import Check

if TYPE_CHECKING:
    from consumers.cli.context import Cli

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def doctor(ctx: typer.Context, json: JsonOption = False) -> None:
    """Look at everything, and say what to do about what is not well.

    Opens the store as a program would, so the embedded one is started. Exits with 1 if a check
    failed; warnings do not count.
    """
    checks = examine(cli_of(ctx))
    well = all(check.status != "failed" for check in checks)
    if json:
        output.document({"ok": well, "checks": [msgspec.to_builtins(check) for check in checks]})
    else:
        columns = ("check", "", "#ms", "what", "what to do")
        rows = [
            (
                check.name,
                Text(check.status, style=_STYLES[check.status]),
                f"{check.latency_ms:.1f}",
                check.detail,
                check.remedy,
            )
            for check in checks
        ]
        output.show(output.table("Doctor", columns, rows, wrap=columns[3:]))
    if not well:
        raise typer.Exit(Exit.FINDING)


def examine(cli: Cli) -> list[Check]:
    """Return all checks: of the set-up, the data directory, then the store."""
    checks = [_setup(cli)]
    if cli.settings.uses_embedded:
        checks += examine_home(cli.home_path())
    return [*checks, *examine_store(cli.bus)]


def _setup(cli: Cli) -> Check:
    settings = cli.settings
    if not settings.uses_embedded:
        return Check("set-up", "ok", 0.0, "a server is configured")
    if settings.mode == "production":
        return Check(
            "set-up",
            "warning",
            0.0,
            "mode production on the embedded server, which serves one machine",
            "set REDIS_URL, or EVENTSTORE_MODE=development if this is no deployment",
        )
    return Check("set-up", "ok", 0.0, f"mode {settings.mode}, embedded server")
