"""docs/from-infra.md maps every module of the specification to what is there."""

from __future__ import annotations

import re
from pathlib import Path

import eventstore

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "from-infra.md").read_text(encoding="utf-8")
# The tree of the specification, but for packages' own data.
MODULES = (
    *(
        "artifacts/bus.py",
        "artifacts/schema.py",
        "artifacts/export.py",
        "artifacts/drivers/base.py",
    ),
    *("artifacts/drivers/fs_driver.py", "artifacts/lua/next_idx.lua", "clients/llm_client.py"),
    *("clients/redis_client.py", "evals/", "logging/logging_config.py", "logging/metrics.py"),
    *("logging/effect_log.py", "utils/llm_helpers.py", "utils/override_helpers.py"),
    *("utils/redis_helpers.py", "utils/session_helpers.py", "config.py", "session.py"),
    *("session_driver.py", "bootstrap.py", "async_utils.py", "side_effect_executor.py"),
)


def test_every_module_has_a_row() -> None:
    assert [name for name in MODULES if f"`infra/{name}`" not in PAGE] == []


def test_what_it_points_to_is_there() -> None:
    named = re.findall(r"`((?:eventstore|consumers|lua|tests)/[\w/.]+)`", PAGE)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_names_are_exported() -> None:
    calls = {
        name
        for group in re.findall(r"\((`[^)]*`)\)", PAGE)
        for name in re.findall(r"`(\w+)`", group)
    }
    assert len(calls) > 15
    assert sorted(name for name in calls if name not in eventstore.__all__) == []
