"""What a script may do at maxmemory, by its first line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LUA = Path(__file__).parents[2] / "lua"
# They bring bytes into the server, and are refused whole when it is full. All others free memory,
# or are what somebody needs who frees it.
REFUSED = {"append", "readd"}
SCRIPTS = sorted(path.stem for path in LUA.glob("*.lua"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_all_but_what_brings_bytes_runs_on_a_full_server(name: str) -> None:
    first = (LUA / f"{name}.lua").read_text(encoding="utf-8").splitlines()[0]
    flags = re.fullmatch(r"#!lua(?: flags=([a-z,-]+))?", first)
    assert flags is not None, first
    given = set((flags[1] or "").split(",")) - {""}
    if name in REFUSED:
        assert given == set()
    else:
        assert given & {"allow-oom", "no-writes"}
