"""docs/redis.md has a row a pitfall, and every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "redis.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?!pitfall|-)(.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
PITFALLS = 27


def test_there_is_a_row_a_pitfall() -> None:
    assert len(ROWS) == PITFALLS


def test_every_test_named_exists() -> None:
    for pitfall, _, shown in ROWS:
        named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", shown)
        assert named, pitfall
        for path, name in named:
            source = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"^ *(async )?def {name}\(", source, re.MULTILINE), f"{path}::{name}"
