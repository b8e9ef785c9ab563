"""Calls of a competing group's scripts as their headers lay them out, on a log of a few entries."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.lua_run import LuaRun

GROUP = "g"
START = "1:0:" + "0" * 16


def link(previous: str, ref: str, digest: str) -> str:
    return hashlib.sha1(f"{previous}{ref}{digest}".encode()).hexdigest()[:16]


def log_of(lua: LuaRun, *kinds: tuple[str, str, int]) -> list[str]:
    """Add entries of kinds, types and versions to the log; return the chain after each."""
    chains: list[str] = []
    for n, (kind, type_, version) in enumerate(kinds, 1):
        chains.append(link(chains[-1] if chains else "0" * 16, f"r{n}", "d"))
        fields: Any = {"kind": kind, "v": version, "ref": f"r{n}", "type": type_}
        lua.client.xadd(
            lua.keys.stream, {**fields, "digest": "d", "chain": chains[-1]}, id=f"0-{n}"
        )
    return chains


def compete(lua: LuaRun, record: str = "{}", start: str = START) -> list[Any]:
    keys = lua.keys
    names = [keys.subscribers, keys.competing, keys.checkpoints, keys.stream]
    position = start.split(":")[1]
    return lua.run("compete", [*names, keys.work(GROUP).stream], [GROUP, record, start, position])


def dispatch(
    lua: LuaRun,
    *given: Any,
    limit: int = 100,
    most: int = 100,
    kinds: tuple[str, ...] = (),
    types: tuple[str, ...] = (),
    behind: str = "",
) -> list[Any]:
    keys, work = lua.keys, lua.keys.work(GROUP)
    names = [keys.stream, keys.checkpoints, keys.progress(GROUP), keys.competing]
    args: list[Any] = [GROUP, limit, most, len(kinds), *kinds, len(types), *types]
    args += [2, "a", 1, "b", 2, behind, *given]
    return lua.run("dispatch", [*names, work.stream, work.due], args)


def work_of(lua: LuaRun) -> list[tuple[int, int]]:
    """Return the position and the attempts of everything that is ready or in hand."""
    found: Any = lua.client.xrange(lua.keys.work(GROUP).stream)
    return [(int(said[b"position"]), int(said[b"attempts"])) for _, said in found]


def take(lua: LuaRun, consumer: str = "c1") -> str:
    found: Any = lua.client.xreadgroup(GROUP, consumer, {lua.keys.work(GROUP).stream: ">"}, count=1)
    return str(found[0][1][0][0].decode())


def settle(
    lua: LuaRun, entry: str, how: str, *more: Any, consumer: str = "c1", given: int = 1
) -> Any:
    keys, work = lua.keys, lua.keys.work(GROUP)
    more = (*more, *("0", "0", "0", "s:1", "why")[len(more) :])
    return lua.run(
        "settle",
        [work.stream, work.due, *keys.parked(GROUP).all],
        [GROUP, consumer, entry, given, how, *more],
    )


def claim(lua: LuaRun, consumer: str = "c2", idle: int = 0, limit: int = 10) -> list[Any]:
    work = lua.keys.work(GROUP).stream
    return lua.run("claim", [work], [GROUP, consumer, idle, limit, 0])


def renew(lua: LuaRun, *held: Any) -> list[Any]:
    return lua.run("renew", [lua.keys.work(GROUP).stream], [GROUP, *held])


def seat(lua: LuaRun, token: str, ttl: int = 60_000, leaving: int = 0) -> list[Any]:
    return lua.run("seat", [lua.keys.work(GROUP).seats], [token, ttl, leaving])


def unpark(lua: LuaRun, how: str, *members: Any) -> list[Any]:
    keys = lua.keys
    names = [*keys.parked(GROUP).all, keys.work(GROUP).stream]
    return lua.run("unpark", names, [how, *members])


def set_up_group(lua: LuaRun) -> LuaRun:
    """Set a group up, with the work of three events."""
    log_of(lua, ("a", "x", 1), ("a", "y", 1), ("b", "", 2))
    assert compete(lua) == ["ok", "{}"]
    assert dispatch(lua)[:3] == ["ok", "3", "3"]
    return lua
