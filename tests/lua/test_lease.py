"""lease.lua: one compare-and-set behind acquire, beat, take over and let go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis

if TYPE_CHECKING:
    from support.lua_run import LuaRun

TTL = 60_000


def change(lua: LuaRun, seen: str, value: str) -> list[Any]:
    return lua.run("lease", [lua.keys.lease("g")], [seen, value, TTL])


def held(lua: LuaRun) -> bytes | str | None:
    return lua.client.get(lua.keys.lease("g"))


def test_a_free_lease_is_acquired_until_it_is_collected(lua: LuaRun) -> None:
    assert change(lua, "", "a:0") == ["ok"]
    assert held(lua) == b"a:0"
    assert 0 < lua.client.pttl(lua.keys.lease("g")) <= TTL


def test_a_held_lease_is_not_acquired(lua: LuaRun) -> None:
    change(lua, "", "a:0")
    assert change(lua, "", "b:0") == ["lost", "a:0"]
    assert held(lua) == b"a:0"


def test_a_beat_raises_the_value_and_its_time_to_live(lua: LuaRun) -> None:
    change(lua, "", "a:0")
    lua.client.pexpire(lua.keys.lease("g"), 1000)
    assert change(lua, "a:0", "a:1") == ["ok"]
    assert held(lua) == b"a:1"
    assert lua.client.pttl(lua.keys.lease("g")) > 1000


def test_a_call_sent_again_is_ok(lua: LuaRun) -> None:
    change(lua, "", "a:0")
    assert change(lua, "", "a:0") == ["ok"]
    change(lua, "a:0", "a:1")
    assert change(lua, "a:0", "a:1") == ["ok"]
    assert held(lua) == b"a:1"


def test_a_lease_is_taken_over_only_as_it_was_seen(lua: LuaRun) -> None:
    change(lua, "", "a:0")
    change(lua, "a:0", "a:1")
    assert change(lua, "a:0", "b:0") == ["lost", "a:1"]
    assert change(lua, "a:1", "b:0") == ["ok"]
    assert change(lua, "a:1", "a:2") == ["lost", "b:0"]
    assert held(lua) == b"b:0"


def test_a_lease_is_let_go_by_its_holder_alone(lua: LuaRun) -> None:
    change(lua, "", "a:0")
    assert change(lua, "b:0", "") == ["lost", "a:0"]
    assert change(lua, "a:0", "") == ["ok"]
    assert held(lua) is None
    assert change(lua, "a:0", "") == ["lost", ""]


def test_a_beat_after_the_lease_is_gone_does_not_bring_it_back(lua: LuaRun) -> None:
    assert change(lua, "a:0", "a:1") == ["lost", ""]
    assert held(lua) is None


def test_a_key_of_another_type_is_an_error(lua: LuaRun) -> None:
    lua.client.rpush(lua.keys.lease("g"), "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        change(lua, "", "a:0")
    assert lua.client.type(lua.keys.lease("g")) == b"list"
