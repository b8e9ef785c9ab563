"""docs/map.md, made from the first sentence of every module. Run this file to write it anew."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "map.md"
HEAD: Final = """# Map

A line a module: the first sentence of its docstring. Data flows one way, producer -> `eventstore`
-> stream -> `consumers` -> `projections` -> reader in `eventstore`; imports go `consumers` ->
`projections` -> `eventstore`. Written by `.venv/bin/python tests/support/map_page.py`.
"""
FOLDERS: Final = {
    "eventstore": "All that an application imports: write side, read side, settings, clients.",
    "projections": "Pure folds from events and declared state to writes.",
    "consumers": "Processes: consumers, payload group, supervisor, import, export, command line.",
    "lua": "What runs in the server, one script a verb.",
}


def modules(folder: str) -> list[Path]:
    """Return a folder's modules, each folder's own before those of the folders in it."""
    found = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".lua")]
    return sorted(found, key=lambda path: (path.parent, path.name))


def sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring, or of a script's header."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".lua":
        text = source.partition("--[[\n")[2].partition(": ")[2]
        text = text[:1].upper() + text[1:]
    else:
        text = ast.get_docstring(ast.parse(source)) or ""
    first = re.split(r"(?<=\.)\s|\n\n|:\n", text, maxsplit=1)[0]
    assert first, f"{path} does not say what it is"
    return " ".join(first.split()).rstrip(".:")


def page() -> str:
    """Return what docs/map.md has to say."""
    lines = [HEAD]
    for folder, what in FOLDERS.items():
        lines += [f"## {folder}", "", what, ""]
        lines += [f"- `{path.relative_to(ROOT)}`: {sentence(path)}" for path in modules(folder)]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
