"""Writing for eyes and for programs: tables and documents on stdout, notes on stderr."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from rich.console import RenderableType

# Where nobody looks at the screen, a row is a line.
_PIPE_WIDTH = 240
_PREVIEW = 60
# Controls move the cursor and colour the screen; line and paragraph separators and marks of
# direction change what stands around them.
_NOT_FOR_TERMINALS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_BUT_LINES = re.compile(r"(?![\t\n])" + _NOT_FOR_TERMINALS.pattern)


def show(renderable: RenderableType) -> None:
    """Write something for eyes to stdout."""
    console = Console(highlight=False)
    console.width = width()
    console.print(renderable)


def is_terminal() -> bool:
    """Return whether somebody looks at stdout."""
    return Console().is_terminal


def width() -> int:
    """Return how many columns stdout has."""
    console = Console()
    return console.width if console.is_terminal else _PIPE_WIDTH


def document(value: Any) -> None:
    """Write one JSON document to stdout; what would steer a terminal is a JSON escape."""
    sys.stdout.write(_unsteering(as_json(value, indent=2)) + "\n")


def line(value: Any) -> None:
    """Write one JSON document as `document` does, on a line of its own, at once."""
    sys.stdout.write(_unsteering(as_json(value)) + "\n")
    sys.stdout.flush()


def as_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON text, which is the same on every terminal: no bytes, no escapes."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def note(message: str) -> None:
    """Write a note to stderr."""
    error_console().print(Text(printable_lines(message), style="dim"), soft_wrap=True)


def fault(message: str) -> None:
    """Write what went wrong to stderr, on a line of its own."""
    text = Text.assemble(("eventstore: ", "bold red"), printable(" ".join(message.split("\n"))))
    error_console().print(text, soft_wrap=True)


def error_console() -> Console:
    """Return a console on stderr, for notes and progress."""
    return Console(stderr=True, highlight=False)


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    wrap: Collection[str] = (),
    fill: str | None = None,
) -> Group:
    """Return a table below its title.

    A column named `#…` is of numbers, and to the right. Where a terminal is too narrow, the
    columns in `wrap` take several lines, the one named `fill` is cut, others are cut last.
    """
    result = Table(header_style="bold cyan", box=SIMPLE_HEAD, pad_edge=False)
    result.expand = fill is not None and is_terminal()
    for name in columns:
        result.add_column(
            # Text, as the cells are: a column may be named as users name things.
            Text(printable(name.removeprefix("#"))),
            justify="right" if name.startswith("#") else "left",
            no_wrap=name not in wrap,
            overflow="fold" if name in wrap else "ellipsis",
            ratio=1 if name == fill and result.expand else None,
        )
    for row in rows:
        # Text, not markup: what users store may hold brackets.
        result.add_row(*(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row))
    # A title of the table's own would be folded to the table's width.
    return Group(Text(printable(title), style="bold"), result)


def shown(value: Any) -> str:
    """Return a value as a cell shows it; what is not known is a dash."""
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    return printable(str(value))


def counted(number: int, what: str) -> str:
    """Return how many there are of what is named in the singular, as in "1 step", "2 steps"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """Return a text with what would steer a terminal written as Python escapes, on one line."""
    return _NOT_FOR_TERMINALS.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """Return a text as `printable` does, but with its own lines and tabs."""
    return _BUT_LINES.sub(_escaped, text)


def printable_json(value: Any) -> str:
    """Return a value as indented JSON for eyes; what would steer a terminal is a JSON escape."""
    return _unsteering(as_json(value, indent=2))


def _unsteering(json_text: str) -> str:
    return _BUT_LINES.sub(lambda found: f"\\u{ord(found.group()):04x}", json_text)


def _escaped(found: re.Match[str]) -> str:
    return ascii(found.group())[1:-1]


def preview(payload: Any) -> str:
    """Return the beginning of a payload on one line."""
    if payload is None:
        return ""
    if isinstance(payload, bytes):
        return f"{len(payload):,} bytes"
    text = payload if isinstance(payload, str) else as_json(payload)
    flat = printable(" ".join(text.split()))
    return flat if len(flat) <= _PREVIEW else f"{flat[: _PREVIEW - 1]}…"


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
