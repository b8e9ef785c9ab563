"""reserve.lua: a name is one group's, whoever comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.lua_apply import START, checkpoint

if TYPE_CHECKING:
    from support.lua_run import LuaRun

GROUP, RECORD = "tools", '{"starts":[]}'


def reserve(lua: LuaRun) -> list[Any]:
    keys = lua.keys
    return lua.run("reserve", [keys.subscribers, keys.competing, keys.checkpoints], [GROUP, START])


def begin(lua: LuaRun, script: str) -> list[Any]:
    keys = lua.keys
    names = [keys.subscribers, keys.competing, keys.checkpoints, keys.stream]
    work = [keys.work(GROUP).stream] if script == "compete" else []
    return lua.run(script, [*names, *work], [GROUP, RECORD, START, 0])


@pytest.mark.parametrize("script", ["subscribe", "compete"])
def test_a_reserved_name_is_no_programs(lua: LuaRun, script: str) -> None:
    assert reserve(lua) == ["ok"]
    assert lua.hash(lua.keys.checkpoints) == {GROUP: START}
    before = lua.snapshot()
    assert begin(lua, script) == ["taken"]
    assert reserve(lua) == ["ok"]
    assert lua.snapshot() == before


@pytest.mark.parametrize("script", ["subscribe", "compete"])
def test_a_programs_name_is_not_reserved(lua: LuaRun, script: str) -> None:
    assert begin(lua, script) == ["ok", RECORD]
    before = lua.snapshot()
    assert reserve(lua) == ["taken"]
    assert lua.snapshot() == before


def test_nor_is_one_that_is_being_deleted(lua: LuaRun) -> None:
    lua.set_hash(lua.keys.subscribers, {GROUP: ""})
    before = lua.snapshot()
    assert reserve(lua) == ["taken"]
    assert lua.snapshot() == before


def test_a_group_that_has_consumed_stays_where_it_is(lua: LuaRun) -> None:
    lua.set_hash(lua.keys.checkpoints, {GROUP: checkpoint(3)})
    before = lua.snapshot()
    assert reserve(lua) == ["ok"]
    assert lua.snapshot() == before
