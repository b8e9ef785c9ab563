"""apply.lua on what was trimmed: taken from the journal, and nothing else passes for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.lua_apply import COUNT, apply, at, checkpoint, log_of

if TYPE_CHECKING:
    from support.lua_run import LuaRun


def test_a_batch_that_ends_before_the_stream_begins_is_applied(lua: LuaRun) -> None:
    log_of(lua)
    lua.client.xtrim(lua.keys.stream, minid="0-4", approximate=False)
    assert apply(lua, COUNT, after=2) == ["ok"]
    assert apply(lua, COUNT, before=2, after=3) == ["ok"]
    assert apply(lua, COUNT, before=3, after=4) == ["ok"]
    assert at(lua) == checkpoint(4)


def test_what_the_stream_holds_is_held_against_it(lua: LuaRun) -> None:
    log_of(lua)
    lua.client.xtrim(lua.keys.stream, minid="0-4", approximate=False)
    before = lua.snapshot()
    assert apply(lua, COUNT, after=4, chain="f" * 16)[0] == "diverged"
    assert apply(lua, COUNT, after=6) == ["diverged", ""]
    assert lua.snapshot() == before


def test_an_event_that_is_missing_further_on_was_not_trimmed(lua: LuaRun) -> None:
    log_of(lua)
    lua.client.xdel(lua.keys.stream, "0-3")
    before = lua.snapshot()
    assert apply(lua, COUNT, after=3) == ["diverged", ""]
    assert lua.snapshot() == before


def test_in_an_empty_stream_nothing_was_trimmed(lua: LuaRun) -> None:
    log_of(lua)
    lua.client.xtrim(lua.keys.stream, maxlen=0, approximate=False)
    assert apply(lua, COUNT, after=3) == ["diverged", ""]
