"""docs/cli.md shows every command with every option, and no others."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main
from typer.testing import CliRunner

from consumers.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
SECTION = re.compile(
    r"^### `eventstore ([a-z ]+?)(?: [A-Z\[][^\n]*)?`$\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL
)
SECTIONS = dict(SECTION.findall(PAGE))


def _commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        place = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from _commands(command, place)
        else:
            yield place, command


COMMANDS = dict(_commands(typer.main.get_command(app)))


def test_every_command_has_a_section() -> None:
    assert set(SECTIONS) == set(COMMANDS)


def test_every_section_shows_the_options_of_its_command() -> None:
    for name, command in COMMANDS.items():
        options = {
            option
            for parameter in command.params
            if parameter.param_type_name == "option"
            for option in (*parameter.opts, *parameter.secondary_opts)
            if option.startswith("--") and option != "--help"
        }
        shown = set(re.findall(r"`(--[a-z-]+)", SECTIONS[name]))
        assert shown == options, name


def test_every_argument_is_in_the_heading() -> None:
    for name, command in COMMANDS.items():
        heading = next(
            line for line in PAGE.splitlines() if line.startswith(f"### `eventstore {name}")
        )
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                assert (parameter.metavar or parameter.name.upper()) in heading, name


def test_the_version_is_the_one_that_is_installed() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (
        0,
        f"eventstore {importlib.metadata.version('eventstore')}\n",
    )
