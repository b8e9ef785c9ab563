"""heartbeat.lua: the list of live workers, by the server's clock alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis

if TYPE_CHECKING:
    from support.lua_run import LuaRun

TTL = 60_000


def beat(lua: LuaRun, worker: str, *, leaving: bool = False, ttl: int = TTL) -> list[Any]:
    return lua.run("heartbeat", [lua.keys.workers], [worker, ttl, int(leaving)])


def age(lua: LuaRun, worker: str, ms: int) -> None:
    """Let a worker's last heartbeat be so long ago."""
    seconds, micros = lua.client.time()
    now = seconds * 1000 + micros // 1000
    lua.client.zadd(lua.keys.workers, {worker: now - ms})


def test_workers_are_listed_with_the_oldest_heartbeat_first(lua: LuaRun) -> None:
    assert beat(lua, "a") == ["ok", "a"]
    age(lua, "b", 5000)
    assert beat(lua, "a") == ["ok", "b", "a"]
    age(lua, "a", 9000)
    assert beat(lua, "") == ["ok", "a", "b"]


def test_a_heartbeat_is_the_servers_time(lua: LuaRun) -> None:
    before, _ = lua.client.time()
    beat(lua, "a")
    after, _ = lua.client.time()
    score = lua.client.zscore(lua.keys.workers, "a")
    assert score is not None
    assert before * 1000 <= score < (after + 1) * 1000


def test_a_silent_worker_is_forgotten(lua: LuaRun) -> None:
    age(lua, "old", TTL + 1000)
    age(lua, "late", TTL - 10_000)
    assert beat(lua, "a") == ["ok", "late", "a"]
    assert lua.client.zcard(lua.keys.workers) == 2


def test_a_look_adds_nobody(lua: LuaRun) -> None:
    assert beat(lua, "") == ["ok"]
    beat(lua, "a")
    assert beat(lua, "") == ["ok", "a"]


def test_a_leaving_worker_is_off_the_list_at_once(lua: LuaRun) -> None:
    beat(lua, "a")
    beat(lua, "b")
    assert beat(lua, "a", leaving=True) == ["ok", "b"]
    assert beat(lua, "a", leaving=True) == ["ok", "b"]


def test_a_key_of_another_type_is_an_error(lua: LuaRun) -> None:
    lua.client.set(lua.keys.workers, "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        beat(lua, "a")
    assert lua.client.get(lua.keys.workers) == b"x"
