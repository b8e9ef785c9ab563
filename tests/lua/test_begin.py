"""begin.lua: a generation is set up once, and never again once it was live or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.lua_run import LuaRun

GROUP, SHADOW, DROP = "index", "index@g2", "index@drop2"
START, LATER = "2:0:0000000000000000", "2:7:00000000000000aa"
LIVE = "1:9:00000000000000ff"


def begin(lua: LuaRun, token: str = "tok") -> list[Any]:
    keys = [lua.keys.lease(SHADOW), lua.keys.checkpoints]
    return lua.run("begin", keys, [token, GROUP, SHADOW, DROP, START])


@pytest.fixture(autouse=True)
def _own_the_lease(lua: LuaRun) -> None:
    lua.client.set(lua.keys.lease(SHADOW), "tok:0")


@pytest.mark.parametrize("live", [{}, {GROUP: LIVE}])
def test_a_new_generation_is_set_up_at_the_start(lua: LuaRun, live: dict[str, int | str]) -> None:
    if live:
        lua.set_hash(lua.keys.checkpoints, live)
    assert begin(lua) == ["ok"]
    assert lua.hash(lua.keys.checkpoints) == {**live, SHADOW: START}


def test_one_that_is_under_way_stays_where_it_is(lua: LuaRun) -> None:
    lua.set_hash(lua.keys.checkpoints, {GROUP: LIVE, SHADOW: LATER})
    before = lua.snapshot()
    assert begin(lua) == ["ok"]
    assert lua.snapshot() == before


@pytest.mark.parametrize(
    "fields",
    [{GROUP: "2:9:00000000000000ff"}, {GROUP: "11:9:00000000000000ff"}, {GROUP: LIVE, DROP: LIVE}],
    ids=["live", "was live", "given up"],
)
def test_a_used_number_is_refused(lua: LuaRun, fields: dict[str, int | str]) -> None:
    lua.set_hash(lua.keys.checkpoints, fields)
    before = lua.snapshot()
    assert begin(lua) == ["used", fields[GROUP]]
    assert lua.snapshot() == before


def test_a_number_that_was_given_up_before_anything_went_live_is_refused(lua: LuaRun) -> None:
    lua.set_hash(lua.keys.checkpoints, {DROP: LIVE})
    assert begin(lua) == ["used", "1:0:0000000000000000"]


@pytest.mark.parametrize("held", [None, "other:0", "to:0", "tok"])
def test_without_the_lease_nothing_is_written(lua: LuaRun, held: str | None) -> None:
    lua.client.unlink(lua.keys.lease(SHADOW))
    if held is not None:
        lua.client.set(lua.keys.lease(SHADOW), held)
    before = lua.snapshot()
    assert begin(lua) == ["fenced"]
    assert lua.snapshot() == before
