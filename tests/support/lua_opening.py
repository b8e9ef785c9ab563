"""Calls of open.lua, establish.lua and admit.lua as their headers lay them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.chain import GENESIS

if TYPE_CHECKING:
    from support.lua_run import LuaRun


def look(
    lua: LuaRun,
    *,
    run_id: str = "run",
    replid: str = "repl",
    uuid: str = "",
    partitions: int = 4,
    layout: int = 1,
) -> list[Any]:
    """Look at the partition as an opener does."""
    keys = [lua.keys.meta, lua.keys.stream, lua.keys.refs, lua.keys.sessions]
    return lua.run("open", keys, [run_id, replid, uuid, partitions, layout])


def establish(lua: LuaRun, uuid: str = "store", instance: str = "run:repl") -> list[Any]:
    """Make the partition, of a store with four."""
    return lua.run("establish", [lua.keys.meta, lua.keys.stream], [uuid, 4, 1, instance])


def admit(
    lua: LuaRun,
    epoch: str,
    *,
    run_id: str = "run",
    replid: str = "repl",
    head: int = 0,
    chain: str = GENESIS,
) -> list[Any]:
    """Open the partition to appends."""
    return lua.run("admit", [lua.keys.meta], [run_id, replid, epoch, head, chain])


def opened(lua: LuaRun) -> str:
    """Make and open the partition; return its epoch."""
    establish(lua)
    epoch = lua.hash(lua.keys.meta)["epoch"]
    admit(lua, epoch)
    return epoch
