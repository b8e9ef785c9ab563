"""What the README shows is true: its program runs, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.embedded import Sandbox
from support.house import ROOT
from support.program import clean_environment, run_program
from typer.testing import CliRunner

from consumers.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def test_the_program_of_the_first_screen_runs_as_it_stands(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    (program,) = PROGRAMS
    assert len(program.splitlines()) <= 10
    env = clean_environment(EVENTSTORE_HOME=str(sandbox.home.path), EVENTSTORE_METRICS__PORT="0")
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z \{'temp_c': -3\}\n", done.stdout)
    shown = run_program("branch", "list", "demo", env=env, cwd=tmp_path).stdout
    assert "warmer  1 step, forked from main at step 0" in shown

    again = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "BranchExists" in again.stderr


def test_parts_of_another_servers_address_do_not_lead_it_astray(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    (program,) = PROGRAMS
    env = clean_environment(
        EVENTSTORE_HOME=str(sandbox.home.path),
        EVENTSTORE_METRICS__PORT="0",
        EVENTSTORE_REDIS__DB="2",
        REDIS_PORT="6380",
        REDIS_PASSWORD="of another server",
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "{'temp_c': -3}" in done.stdout


def test_its_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_commands_that_it_names_exist() -> None:
    commands = re.findall(r"^ {4}(eventstore [a-z].*)$", README, re.MULTILINE)
    named = {tuple(words.split()[1:3]) for line in commands for words in re.split(r" {2,}", line)}
    assert len(named) >= 10
    for words in named:
        known = [word for word in words if word.isalpha() and word.islower()]
        shown = CliRunner().invoke(app, [*known, "--help"])
        assert shown.exit_code == 0, words
