"""Calls of trim.lua as its header lays them out, over a partition that append.lua wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.lua_append import Event, append, create

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.lua_run import LuaRun

GROUPS = ("journal", "index")


def filled(lua: LuaRun, *sessions: str, reached: int | None = None) -> None:
    """Make a partition with an event of each session named, in order; refs are the positions.

    Every group has reached `reached`, by default the end.
    """
    create(lua)
    for position, session in enumerate(sessions, 1):
        append(lua, Event(position), session=session)
    position = len(sessions) if reached is None else reached
    lua.set_hash(lua.keys.checkpoints, {group: checkpoint(position) for group in GROUPS})


def checkpoint(position: int, generation: int = 1) -> str:
    """Return what a field of the checkpoints has at a position."""
    return f"{generation}:{position}:{position:016x}"


def trim(lua: LuaRun, last: int, **given: Any) -> list[Any]:
    """Trim up to a position, as the partition itself says; `given` replaces parts of the call."""
    keys = lua.keys
    first = given.pop("first", None) or _first(lua)
    entries = {p: lua.entry(p) for p in range(first, last + 1)}
    sessions: dict[str, list[int]] = {}
    for position, entry in entries.items():
        sessions.setdefault(entry["session"].decode(), []).append(position)
    sessions = given.pop("sessions", sessions)
    args: list[object] = [
        given.pop("epoch", 3),
        first,
        last,
        given.pop("chain", None) or entries[last]["chain"],
        given.pop("journalled", last + 1),
        given.pop("keep", 1),
        given.pop("age", 0),
        given.pop("latest", 0),
    ]
    groups: Sequence[str] = given.pop("groups", GROUPS)
    args += [len(groups), *groups]
    args += given.pop("refs", [bytes.fromhex(e["ref"].decode()) for e in entries.values()])
    own = [keys.meta, keys.stream, keys.refs, keys.checkpoints]
    for name, positions in sessions.items():
        own += [keys.session(name), keys.session_log(name)]
        args += [len(positions), positions[-1]]
    assert not given, given
    return lua.run("trim", own, args)


def _first(lua: LuaRun) -> int:
    found: Any = lua.client.xrange(lua.keys.stream, count=1)
    return int(found[0][0].partition(b"-")[2])
