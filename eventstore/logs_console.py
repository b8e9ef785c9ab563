"""Log lines for a person, on standard error: coloured on a terminal, plain elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from eventstore.logs_lines import OWN, as_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventstore.logs_values import Json

_STYLES: Final = {
    "DEBUG": "dim",
    "INFO": "green",
    "WARNING": "yellow",
    "ERROR": "bold red",
    "CRITICAL": "bold white on red",
}


class LogConsole:
    """Shows lines on whatever standard error is at the time, each on one line of the output.

    Only a traceback takes more. What a terminal would obey as a command is shown escaped.
    """

    def __init__(self) -> None:
        self._console = _console()

    def show(self, line: Mapping[str, Json]) -> None:
        """Show a line; one that cannot be shown is in the file all the same."""
        if sys.stderr is None:
            return
        if self._console.file is not sys.stderr:
            self._console = _console()
        try:
            self._console.print(_text(line, short=self._console.is_terminal))
        except (OSError, ValueError):
            # Nobody reads standard error, or it is closed.
            return


def _console() -> Console:
    return Console(file=sys.stderr, soft_wrap=True, highlight=False)


def _text(line: Mapping[str, Json], *, short: bool) -> Text:
    level = str(line["level"])
    moment = str(line["ts"])
    text = Text()
    text.append(moment[11:23] if short else moment, style="dim")
    text.append(f" {level:<8}", style=_STYLES.get(level, ""))
    text.append(f"{_printable(str(line['logger']))}: ", style="dim")
    text.append(_printable(str(line["message"])))
    fields = {name: value for name, value in line.items() if name not in OWN or name == "fields"}
    if fields:
        text.append(f"  {_printable(as_pairs(fields))}", style="cyan")
    exception, stack = line.get("exception"), line.get("stack")
    if isinstance(exception, dict):
        text.append(_indented(str(exception["traceback"])))
    if stack is not None:
        text.append(_indented(str(stack)))
    return text


def _indented(block: str) -> str:
    return "".join(f"\n    {_printable(row)}" for row in block.rstrip().split("\n"))


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
