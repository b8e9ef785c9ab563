"""What a benchmark's command shows: a bar while it works, and one JSON document if asked for."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def document(found: msgspec.Struct) -> None:
    """Write what was found as one JSON document on standard output."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


def note(text: str) -> None:
    """Tell a person something, apart from the document."""
    sys.stderr.write(f"{text}\n")


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how much is done, with its rate, on a terminal; what is yielded is told so."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total, rate="")

        def report(done: int) -> None:
            speed = progress.tasks[0].speed
            progress.update(task, completed=done, rate="" if speed is None else f"{speed:,.0f}/s")

        yield report
