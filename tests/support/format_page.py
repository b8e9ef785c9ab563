"""The examples of docs/format.md, as its tests read them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

PAGE: Final = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")


def block(name: str) -> list[str]:
    """Return the lines of the page's block of this name."""
    found = re.search(rf"^```{re.escape(name)}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/format.md has no block {name!r}"
    return found.group(1).splitlines()


def pairs(name: str) -> dict[str, str]:
    """Return a block's lines as the first word of each and what follows it."""
    return {key: value for key, _, value in (line.partition(" ") for line in block(name))}
