"""docs/acceptance.md names every row of the checklist, and only tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "acceptance.md").read_text(encoding="utf-8")
# Beside the tree where it is developed; a lone clone does not have it.
CHECKLIST: Final = ROOT.parent / "shared" / "spec" / "ACCEPTANCE.md"

LAST: Final = ["X10", "C10", "R4", "A22", "L8", "S12", "E13", "G6", "U6", "B5", "H3"]
IDS: Final = [f"{last[0]}{n}" for last in LAST for n in range(1, int(last[1:]) + 1)]
MET: Final = frozenset(
    {
        *("X3", "X4", "X5", "X6", "X7", "X10", "H1"),
        *("G1", "G2", "G3", "G4", "G5", "G6"),
        *(f"C{n}" for n in range(1, 11)),
        *(f"R{n}" for n in range(1, 5)),
        *(f"A{n}" for n in range(1, 23)),
        *("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12"),
        *(f"U{n}" for n in range(1, 7)),
        *(f"B{n}" for n in range(1, 6)),
    }
)
OPEN: Final = "open"


def rows() -> list[tuple[str, str]]:
    """Return (id, what shows it) of each row of the page."""
    return re.findall(r"^\| ([A-Z]\d+) \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)


def named_tests() -> list[str]:
    return [name for _, shown in rows() for name in re.findall(r"`([^`]+)`", shown)]


@cache
def node_ids(path: Path) -> frozenset[str]:
    """Return the tests that a file holds, as they follow the file in a node id."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            methods = (
                m for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)
            )
            found.update(f"{node.name}::{method.name}" for method in methods)
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


def test_every_row_is_there_once_and_in_order() -> None:
    assert [id_ for id_, _ in rows()] == IDS


def test_the_rows_are_those_of_the_checklist() -> None:
    if CHECKLIST.exists():
        text = CHECKLIST.read_text(encoding="utf-8")
        assert re.findall(r"^\| ([A-Z]\d+) \|", text, re.MULTILINE) == IDS
    assert len(IDS) == 99


def test_a_row_names_its_tests_or_is_open() -> None:
    for id_, shown in rows():
        assert shown == OPEN or re.fullmatch(r"`[^`]+`(<br>`[^`]+`)*", shown), id_


def test_every_named_test_exists() -> None:
    assert named_tests()
    missing = [
        name
        for name in named_tests()
        if not (ROOT / name.partition("::")[0]).is_file()
        or name.partition("::")[2] not in node_ids(ROOT / name.partition("::")[0])
    ]
    assert missing == []


def test_the_rows_that_are_met_are_exactly_these() -> None:
    assert {id_ for id_, shown in rows() if shown != OPEN} == MET
