"""append.lua: a poisoned log, damaged keys and wrong arguments leave everything as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from support.lua_append import LIMIT, MAIN, Event, append, create

if TYPE_CHECKING:
    from support.lua_run import LuaRun


def test_a_foreign_entry_poisons_the_log(lua: LuaRun) -> None:
    create(lua)
    append(lua, Event(1))
    lua.client.xadd(lua.keys.stream, {"a": "b"}, id="5-5")
    before = lua.snapshot()
    reply = append(lua, Event(2))
    assert reply == ["poisoned", "the stream ends at 5-5, meta at 0-1"]
    assert lua.snapshot() == before


@pytest.mark.parametrize("foreign", ["5-5", "0-2", "0-3"])
def test_a_foreign_entry_that_was_deleted_poisons_the_log(lua: LuaRun, foreign: str) -> None:
    create(lua)
    append(lua, Event(1))
    lua.client.xadd(lua.keys.stream, {"a": "b"}, id=foreign)
    lua.client.xdel(lua.keys.stream, foreign)
    before = lua.snapshot()
    outcome, found = append(lua, Event(2), Event(3))
    assert outcome == "poisoned"
    assert "XADD" in found
    assert lua.snapshot() == before


@pytest.mark.parametrize("lost", ["stream", "meta"])
def test_a_log_that_does_not_end_where_meta_says_is_poisoned(lua: LuaRun, lost: str) -> None:
    create(lua)
    append(lua, Event(1), Event(2))
    if lost == "stream":
        lua.client.unlink(lua.keys.stream)
    else:
        lua.client.hset(lua.keys.meta, "chain", "f" * 16)
    before = lua.snapshot()
    assert append(lua, Event(3))[0] == "poisoned"
    assert lua.snapshot() == before


@pytest.mark.parametrize("key", ["meta", "stream", "refs", "sessions", "session", "log"])
def test_a_key_of_a_wrong_type_is_an_error_and_nothing_is_written(lua: LuaRun, key: str) -> None:
    create(lua)
    names = {
        "session": lua.keys.session("s"),
        "log": lua.keys.session_log("s"),
        **{name: getattr(lua.keys, name) for name in ("meta", "stream", "refs", "sessions")},
    }
    lua.client.unlink(names[key])
    lua.client.set(names[key], "text")
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        append(lua, Event(1, payload=b"x"))
    assert lua.snapshot() == before


@pytest.mark.parametrize("field", ["seq", f"next:{MAIN}"])
def test_a_damaged_counter_is_an_error_and_nothing_is_written(lua: LuaRun, field: str) -> None:
    create(lua)
    append(lua, Event(1))
    lua.client.hset(lua.keys.session("s"), field, "text")
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError):
        append(lua, Event(2))
    assert lua.snapshot() == before


def test_a_damaged_counter_of_a_later_lane_is_an_error_and_nothing_is_written(
    lua: LuaRun,
) -> None:
    create(lua)
    append(lua, Event(1), Event(2, lane="tick"))
    lua.client.hset(lua.keys.session("s"), "next:tick", "text")
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError, match="BADLANE"):
        append(lua, Event(3), Event(4, lane="tick"))
    assert lua.snapshot() == before


@pytest.mark.parametrize("field", ["head", "payload_bytes"])
@pytest.mark.parametrize("payload", [b"", b"x"])
def test_a_meta_without_a_number_is_an_error_and_nothing_is_written(
    lua: LuaRun, field: str, payload: bytes
) -> None:
    create(lua)
    append(lua, Event(1))
    lua.client.hdel(lua.keys.meta, field)
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError, match="BADMETA"):
        append(lua, Event(2, payload=payload))
    assert lua.snapshot() == before


def test_a_damaged_count_is_an_error_and_nothing_is_written(lua: LuaRun) -> None:
    create(lua)
    append(lua, Event(1))
    lua.client.hset(lua.keys.meta, "count:state", "text")
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError):
        append(lua, Event(2))
    assert lua.snapshot() == before


@pytest.mark.parametrize("count", [0, 501])
def test_a_batch_has_1_to_500_events(lua: LuaRun, count: int) -> None:
    create(lua)
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError, match="BADARG"):
        append(lua, *(Event(n) for n in range(1, count + 1)))
    assert lua.snapshot() == before


def test_an_event_of_too_few_values_is_an_error(lua: LuaRun) -> None:
    create(lua)
    keys = lua.keys
    own = [keys.meta, keys.stream, keys.refs, keys.sessions]
    own += [keys.session("s"), keys.session_log("s")]
    with pytest.raises(redis.ResponseError, match="BADARG"):
        lua.run("append", own, [3, "s", LIMIT, 0, 0, 0, *Event(1).values()[:-1]])
    assert lua.client.exists(keys.stream) == 0


def test_a_payload_without_a_key_is_an_error_and_nothing_is_written(lua: LuaRun) -> None:
    create(lua)
    keys, event = lua.keys, Event(1, payload=b"x")
    own = [keys.meta, keys.stream, keys.refs, keys.sessions]
    own += [keys.session("s"), keys.session_log("s")]
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError, match="BADARG"):
        lua.run("append", own, [3, "s", LIMIT, 0, 0, 0, *event.values()])
    assert lua.snapshot() == before


@pytest.mark.parametrize("which", ["expect", "start"])
def test_at_most_500_lanes_are_named(lua: LuaRun, which: str) -> None:
    create(lua)
    lanes = {which: {f"l{n}": 0 for n in range(501)}}
    with pytest.raises(redis.ResponseError, match="BADARG"):
        append(lua, Event(1), **lanes)  # type: ignore[arg-type]
