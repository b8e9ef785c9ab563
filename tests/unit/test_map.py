"""docs/map.md lists every module and nothing else."""

from __future__ import annotations

import re

from support.map_page import FOLDERS, PAGE, ROOT, modules, page


def test_every_module_is_listed_and_nothing_else() -> None:
    listed = re.findall(r"^- `([^`]+)`: ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    there = [str(path.relative_to(ROOT)) for folder in FOLDERS for path in modules(folder)]
    assert sorted(listed) == sorted(there)


def test_each_line_is_what_the_module_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "write it anew: .venv/bin/python tests/support/map_page.py"
    )
