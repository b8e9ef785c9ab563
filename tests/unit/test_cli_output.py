"""What users store cannot steer the terminal of whoever looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from consumers.cli import output
from consumers.cli.branch import branch_tree

if TYPE_CHECKING:
    import pytest

HOSTILE = "a\x1b[31m\x07\n\x9bb\u202ec"
ESCAPED = "a\\x1b[31m\\x07\\n\\x9bb\\u202ec"


def test_what_steers_a_terminal_is_written_as_escapes() -> None:
    assert output.printable(HOSTILE) == ESCAPED


def test_other_text_stays_as_it_is() -> None:
    assert output.printable("é 日本 🎉 [bold] a\\x1b") == "é 日本 🎉 [bold] a\\x1b"


def test_titles_and_cells_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(output.table(HOSTILE, ("name", "value"), [(HOSTILE, 1), (Text("x"), None)]))
    shown = capsys.readouterr().out
    assert shown.count(ESCAPED) == 2
    assert "\x1b" not in shown


def test_names_in_a_tree_of_branches_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(branch_tree(HOSTILE, []))
    assert ESCAPED in capsys.readouterr().out
