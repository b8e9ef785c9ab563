"""Every error of the project has one exit code, and people can look it up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from consumers.cli import app
from consumers.cli.exits import MEANINGS, Exit, exit_code
from eventstore import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def _below(kind: type[errors.EventStoreError]) -> Iterator[type[errors.EventStoreError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


# All of the tree, whichever of its rooms they are in; not those that tests make.
ERRORS = [kind for kind in _below(errors.EventStoreError) if kind.__name__ in errors.__all__]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_of_a_failure(kind: type[errors.EventStoreError]) -> None:
    of_the_process = (Exit.OK, Exit.OUTPUT, Exit.INTERRUPTED, Exit.PIPE_CLOSED)
    assert exit_code(kind.__new__(kind)) not in of_the_process


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SessionNotFound("s"), 1),
        (errors.InvalidEvent("header.ts", "is no time"), 2),
        (errors.SettingsError("no"), 2),
        (errors.ImportRefused("f", "byte 0", "is empty"), 2),
        (errors.StoreUnreachable("gone"), 3),
        (errors.NotCaughtUp("index", 1, 2, 0.1), 3),
        (errors.EmbeddedError("no server"), 3),
        (errors.BranchExists("s", "b"), 4),
        (errors.ChainBroken(0, 1, "is gone"), 5),
        (errors.WrongStore("another"), 6),
    ],
    ids=lambda value: type(value).__name__,
)
def test_codes(error: errors.EventStoreError, code: int) -> None:
    assert exit_code(error) == code


def test_every_code_has_a_meaning_in_the_help_and_on_the_page() -> None:
    assert set(MEANINGS) == set(Exit)
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    page = PAGE.read_text(encoding="utf-8")
    for code, meaning in MEANINGS.items():
        assert re.search(rf"^ *{code:d}  {re.escape(meaning)}", shown, re.MULTILINE)
        assert f"| {code:d} | {meaning} |" in page
