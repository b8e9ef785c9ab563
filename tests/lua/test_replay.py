"""replay.lua: a replay's checkpoint is set and forgotten by whoever holds its lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.lua_run import LuaRun

REPLAY, LIVE = "g@replay", "1:9:00000000000000ff"
START, LATER = "1:0:00000000000000aa", "1:7:00000000000000bb"


def replay(lua: LuaRun, start: str) -> list[Any]:
    keys = [lua.keys.lease(REPLAY), lua.keys.checkpoints]
    return lua.run("replay", keys, ["tok", REPLAY, start])


@pytest.fixture(autouse=True)
def _own_the_lease(lua: LuaRun) -> None:
    lua.client.set(lua.keys.lease(REPLAY), "tok:3")


def test_one_begins_and_ends_beside_the_live_checkpoint(lua: LuaRun) -> None:
    lua.set_hash(lua.keys.checkpoints, {"g": LIVE})
    for _ in range(2):
        assert replay(lua, START) == ["ok"]
        assert lua.hash(lua.keys.checkpoints) == {"g": LIVE, REPLAY: START}
    for _ in range(2):
        assert replay(lua, "") == ["ok"]
        assert lua.hash(lua.keys.checkpoints) == {"g": LIVE}


def test_one_that_was_killed_begins_anew(lua: LuaRun) -> None:
    lua.set_hash(lua.keys.checkpoints, {REPLAY: LATER})
    assert replay(lua, START) == ["ok"]
    assert lua.hash(lua.keys.checkpoints) == {REPLAY: START}


@pytest.mark.parametrize("held", [None, "other:0", "to:0", "tok"])
@pytest.mark.parametrize("start", [START, ""])
def test_without_the_lease_nothing_is_written(lua: LuaRun, held: str | None, start: str) -> None:
    lua.set_hash(lua.keys.checkpoints, {"g": LIVE, REPLAY: LATER})
    lua.client.unlink(lua.keys.lease(REPLAY))
    if held is not None:
        lua.client.set(lua.keys.lease(REPLAY), held)
    before = lua.snapshot()
    assert replay(lua, start) == ["fenced"]
    assert lua.snapshot() == before
