"""Which format a file of runs has, and its runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.importing import openai_chat, tau_bench
from consumers.importing.event_files import is_event_file
from consumers.importing.json_file import JsonFile, read_json_file
from consumers.importing.runs import Run
from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

AUTO: Final = "auto"
EVENTS: Final = "jsonl"
"""The format of exported events, which are appended as they are and are no runs to be mapped."""


class Format(msgspec.Struct, frozen=True):
    """A format of recorded runs: how a record of it is known, and how a file of it is mapped."""

    recognises: Callable[[Any], bool]
    plan_runs: Callable[[JsonFile], list[Run]]


FORMATS: Final[dict[str, Format]] = {
    tau_bench.SOURCE: Format(tau_bench.looks_like_tau_bench, tau_bench.plan_runs),
    openai_chat.SOURCE: Format(openai_chat.looks_like_chat, openai_chat.plan_runs),
}
NAMES: Final = (AUTO, *FORMATS, EVENTS)


def holds_events(path: Path, format_name: str = AUTO) -> bool:
    """Return whether a file is to be read as exported events.

    Raises `InvalidInput` for a format that does not exist.
    """
    _check_format(format_name)
    return format_name == EVENTS or (format_name == AUTO and is_event_file(path))


def read_runs(path: Path, format_name: str = AUTO) -> list[Run]:
    """Return the runs of a file, all of them checked.

    `auto` takes the format that the file's first record has. A file with an empty array has no
    runs. Raises `ImportRefused` at the first byte, or record and field, that is broken, and
    `InvalidInput` for a format that does not exist.
    """
    _check_format(format_name)
    file = read_json_file(path)
    if not file.records:
        return []
    if format_name == AUTO:
        format_name = detect(file)
    return FORMATS[format_name].plan_runs(file)


def _check_format(name: str) -> None:
    if name not in NAMES:
        raise InvalidInput(f"there is no format {name!r}; formats are {', '.join(NAMES)}")


def detect(file: JsonFile) -> str:
    """Return the name of the format that a file's first record has, else raise `ImportRefused`."""
    for name, known in FORMATS.items():
        if known.recognises(file.records[0]):
            return name
    raise file.refused(
        0,
        "",
        f"is not of a known format ({', '.join(NAMES[1:])}); a tau-bench run is an object with "
        "task_id, trial, reward, info and traj, a chat a list of messages with their role",
    )
