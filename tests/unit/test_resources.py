"""Scripts and default configuration are found beside the package; other names are refused.

That a wheel carries them is tested in tests/slow/test_wheel.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from eventstore.errors import NotFound
from eventstore.resources import config_path, lua_source

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "lua").glob("*.lua"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_is_found_by_its_verb(name: str) -> None:
    assert lua_source(name) == (ROOT / "lua" / f"{name}.lua").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["config.json", "agents.json"])
def test_defaults_are_found(name: str) -> None:
    assert config_path(name).samefile(ROOT / "config" / name)


@pytest.mark.parametrize("name", ["append.lua", "missing", ""])
def test_an_unknown_script_is_refused(name: str) -> None:
    with pytest.raises(NotFound, match="no lua file"):
        lua_source(name)


def test_an_unknown_default_is_refused() -> None:
    with pytest.raises(NotFound, match=r"no config file 'missing\.json'"):
        config_path("missing.json")


@pytest.mark.parametrize("name", ["../pyproject.toml", "/etc/hostname", "../config/../README.md"])
def test_a_name_outside_the_folder_is_refused(name: str) -> None:
    with pytest.raises(NotFound, match="outside"):
        config_path(name)
