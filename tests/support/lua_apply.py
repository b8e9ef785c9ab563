"""Calls of apply.lua as its header lays them out, on a log of a few entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from support.lua_run import LuaRun

START = "1:0:0000000000000000"
GROUP = "index"
HASH, ZSET, TEXT = "artifacts:s:index", "artifacts:s:timeline", "payload:1"


class Write(NamedTuple):
    """A write as the script takes it: command, key behind the prefix, arguments."""

    command: str
    key: str
    args: tuple[object, ...] = ()


def chain_at(position: int) -> str:
    return f"{position:016x}"


def checkpoint(position: int, generation: int = 1) -> str:
    return f"{generation}:{position}:{chain_at(position)}" if position else START


def log_of(lua: LuaRun, count: int = 5) -> None:
    """Fill the log, and give the group's lease to `tok`."""
    for position in range(1, count + 1):
        lua.client.xadd(lua.keys.stream, {"chain": chain_at(position)}, id=f"0-{position}")
    lua.client.set(lua.keys.lease(GROUP), "tok:3")


def apply(
    lua: LuaRun,
    *writes: Write,
    before: int | str = 0,
    after: int = 2,
    token: str = "tok",
    chain: str | None = None,
    raw: list[object] | None = None,
) -> list[Any]:
    keys = lua.keys
    written = list(dict.fromkeys(keys.prefix + write.key for write in writes))
    args: list[object] = [token, GROUP, GROUP]
    args += [before if isinstance(before, str) else checkpoint(before), checkpoint(after)]
    args += [after, chain_at(after) if chain is None else chain]
    for write in writes:
        number = written.index(keys.prefix + write.key) + 1
        args += [write.command, number, len(write.args), *write.args]
    own = [keys.lease(GROUP), keys.stream, keys.checkpoints, keys.progress(GROUP)]
    return lua.run("apply", own + written, args + (raw or []))


def at(lua: LuaRun) -> str | None:
    return lua.hash(lua.keys.checkpoints).get(GROUP)


COUNT = Write("HINCRBY", HASH, ("n", 1))
