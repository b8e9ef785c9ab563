"""docs/operations.md: its commands parse, its files, settings and alerts exist."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
import yaml
from support.house import ROOT

from consumers.cli import app
from eventstore.settings import AppSettings
from eventstore.settings_sources import ALIASES, CONFIG_VARIABLE, leaves, variable

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
INLINE: list[str] = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", PAGE)
PATHS = {path for path, _ in leaves(AppSettings)}
# Programs that a block may call, beside `eventstore` and what every system has.
PROGRAMS = {
    *("eventstore", "systemctl", "rsync", "openssl", "valkey-cli", "promtool", "curl", "sysctl"),
    *("useradd", "python3", "install", "cp", "cat", "chmod", "printf"),
    "/opt/eventstore/bin/pip",
}


def lines() -> list[list[str]]:
    """Return every command of every block as its words."""
    found = []
    for block in BLOCKS:
        text = re.sub(r"<<'END'.*?^END$", "", block, flags=re.MULTILINE | re.DOTALL)
        joined = text.replace("\\\n", " ")
        found += [shlex.split(line, comments=True) for line in joined.splitlines()]
    return [words for words in found if words]


def typed() -> list[str]:
    """Return what follows `eventstore` in the blocks: to be typed as it stands."""
    return sorted({shlex.join(words[1:]) for words in lines() if words[0] == "eventstore"})


def mentioned() -> list[str]:
    """Return what follows `eventstore` in the text."""
    return sorted({t.removeprefix("eventstore ") for t in INLINE if t.startswith("eventstore ")})


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words lead to, and what is left of them."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        assert rest, f"eventstore {shlex.join(words)}: names no command"
        name = rest.pop(0)
        assert name in command.commands, f"eventstore {shlex.join(words)}: no {name!r}"
        command = command.commands[name]
    return command, rest


def test_there_are_commands_in_the_page() -> None:
    assert len(BLOCKS) > 8
    assert len(typed()) > 8
    assert len(mentioned()) > 8


@pytest.mark.parametrize("text", mentioned())
def test_a_command_in_the_text_exists_with_its_options(text: str) -> None:
    command, rest = command_of(shlex.split(text))
    options = {name for each in command.params for name in each.opts if name.startswith("-")}
    assert {word for word in rest if word.startswith("-")} <= options


@pytest.mark.parametrize("text", typed())
def test_a_command_in_a_block_can_be_typed_as_it_stands(text: str) -> None:
    command, rest = command_of(shlex.split(text))
    assert command.make_context("eventstore", rest).command is command


def test_blocks_are_sound_shell_and_call_known_programs() -> None:
    for block in BLOCKS:
        checked = subprocess.run(["bash", "-n"], input=block, text=True, check=False)
        assert checked.returncode == 0, block
    assert {words[0] for words in lines()} <= PROGRAMS


def test_files_that_are_named_exist() -> None:
    named = {word for words in lines() for word in words if word.startswith("config/")}
    named |= {
        text.split()[0] for text in INLINE if text.startswith(("config/", "scripts/", "CHANGELOG"))
    }
    assert {f"config/{name}" for name in ("redis.conf", "prometheus.yml", "alerts.yml")} <= named
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
    linked = re.findall(r"\]\(([\w-]+\.md)\)", PAGE)
    assert [name for name in linked if not (ROOT / "docs" / name).is_file()] == []


def test_settings_that_are_named_exist() -> None:
    sections = {path[0] for path in PATHS if len(path) > 1}
    dotted = {text for text in INLINE if re.fullmatch(r"[a-z_]+\.[a-z_]+", text)}
    named = {tuple(text.split(".")) for text in dotted if text.split(".")[0] in sections}
    assert named
    assert named <= PATHS
    variables = set(re.findall(r"\b((?:EVENTSTORE|REDIS)_[A-Z_]+)\b", PAGE))
    known = {variable(path) for path in PATHS} | set(ALIASES) | {CONFIG_VARIABLE}
    assert variables <= known


@pytest.mark.parametrize(
    "unit", sorted((ROOT / "config" / "systemd").iterdir()), ids=lambda unit: unit.name
)
def test_a_unit_starts_what_there_is_and_is_installed_by_the_page(unit: Path) -> None:
    parsed = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=True)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(unit.read_text())
    assert set(parsed) - {"DEFAULT"} == {"Unit", "Service", "Install"}
    service = parsed["Service"]
    program, *words = shlex.split(service["ExecStart"])
    if program.endswith("/eventstore"):
        assert command_of(words)[1] == []
        assert f"chmod 0600 {service['EnvironmentFile']}" in PAGE
        assert float(service["TimeoutStopSec"]) > 5
    else:
        assert (program, words[0]) == ("/usr/bin/valkey-server", "/etc/eventstore/redis.conf")
        assert f"/var/lib/{service['StateDirectory']}" == words[words.index("--dir") + 1]
    assert f"cp config/systemd/{unit.name} /etc/systemd/system/" in PAGE
    assert service["Restart"] == "always"


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    rules = yaml.safe_load((ROOT / "config" / "alerts.yml").read_text())["groups"][0]["rules"]
    assert re.findall(r"^### (\w+)$", PAGE, re.MULTILINE) == [rule["alert"] for rule in rules]
