"""apply.lua: a bad write changes nothing, however it is bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from support.lua_apply import (
    COUNT,
    HASH,
    TEXT,
    ZSET,
    Write,
    apply,
    log_of,
)

if TYPE_CHECKING:
    from support.lua_run import LuaRun


def refused(lua: LuaRun, *writes: Write, raw: list[object] | None = None) -> str:
    """Apply a batch with a bad write, fail unless it changes nothing, and return the error."""
    lua.client.hset(lua.keys.prefix + HASH, "text", "abc")
    lua.client.hset(lua.keys.prefix + HASH, "large", str(2**63 - 1))
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError) as caught:
        apply(lua, COUNT, *writes, raw=raw)
    assert lua.snapshot() == before
    return str(caught.value)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (Write("DEL", HASH), "command DEL is not allowed"),
        (Write("hset", HASH, ("a", 1)), "command hset is not allowed"),
        (Write("HSET", HASH), "wrong arguments for HSET"),
        (Write("HSET", HASH, ("a", 1, "b")), "wrong arguments for HSET"),
        (Write("HSET", HASH, ("a",) * 4002), "more than 4000 arguments"),
        (Write("HDEL", HASH), "wrong arguments for HDEL"),
        (Write("ZADD", ZSET, (1,)), "wrong arguments for ZADD"),
        (Write("ZADD", ZSET, ("one", "x")), "wrong arguments for ZADD"),
        (Write("ZADD", ZSET, ("nan", "x")), "wrong arguments for ZADD"),
        (Write("ZADD", ZSET, (" 1", "x")), "wrong arguments for ZADD"),
        (Write("ZADD", ZSET, ("1 ", "x")), "wrong arguments for ZADD"),
        (Write("ZADD", ZSET, ("1e999", "x")), "wrong arguments for ZADD"),
        (Write("ZADD", ZSET, ("1e-999", "x")), "wrong arguments for ZADD"),
        (Write("ZADD", ZSET, ("", "x")), "wrong arguments for ZADD"),
        (Write("ZADD", ZSET, ("NX", 1, "x", 2)), "wrong arguments for ZADD"),
        (Write("ZREM", ZSET), "wrong arguments for ZREM"),
        (Write("SET", TEXT), "wrong arguments for SET"),
        (Write("SET", TEXT, ("a", "EX", 1)), "wrong arguments for SET"),
        (Write("UNLINK", TEXT, ("other",)), "wrong arguments for UNLINK"),
        (Write("HINCRBY", HASH, ("n",)), "wrong arguments for HINCRBY"),
        (Write("HINCRBY", HASH, ("n", "1.5")), "wrong arguments for HINCRBY"),
        (Write("HINCRBY", HASH, ("n", "01")), "wrong arguments for HINCRBY"),
        (Write("HINCRBY", HASH, ("n", "-0")), "wrong arguments for HINCRBY"),
        (Write("HINCRBY", HASH, ("n", "9" * 30)), "wrong arguments for HINCRBY"),
        (Write("HINCRBY", HASH, ("text", 1)), "wrong arguments for HINCRBY"),
        (Write("HINCRBY", HASH, ("large", 1)), "wrong arguments for HINCRBY"),
    ],
)
def test_a_bad_write_changes_nothing(lua: LuaRun, write: Write, said: str) -> None:
    log_of(lua)
    error = refused(lua, write)
    assert "BADWRITE write 2" in error
    assert said in error


@pytest.mark.parametrize(
    ("command", "key", "args"),
    [
        ("HSET", ZSET, ("a", 1)),
        ("HDEL", ZSET, ("a",)),
        ("HINCRBY", TEXT, ("a", 1)),
        ("ZADD", HASH, (1, "a")),
        ("ZREM", TEXT, ("a",)),
        ("SET", ZSET, ("a",)),
    ],
)
def test_a_key_of_another_type_changes_nothing(
    lua: LuaRun, command: str, key: str, args: tuple[object, ...]
) -> None:
    log_of(lua)
    lua.client.zadd(lua.keys.prefix + ZSET, {"x": 1})
    lua.client.set(lua.keys.prefix + TEXT, "x")
    assert f"{command} on a " in refused(lua, Write(command, key, args))


@pytest.mark.parametrize(
    "writes",
    [
        (Write("HSET", "new", ("a", 1)), Write("ZADD", "new", (1, "a"))),
        (Write("ZADD", "new", (1, "a")), Write("SET", "new", ("a",))),
        (Write("HSET", "new", ("a", "abc")), Write("HINCRBY", "new", ("a", 1))),
        (Write("HINCRBY", "new", ("a", 10**14)),) * 12,
        (Write("UNLINK", "new"), Write("HSET", "new", ("a", "x")), Write("ZADD", "new", (1, "a"))),
    ],
)
def test_writes_that_do_not_fit_each_other_change_nothing(
    lua: LuaRun, writes: tuple[Write, ...]
) -> None:
    log_of(lua)
    assert "BADWRITE" in refused(lua, *writes)


def test_writes_are_checked_against_what_earlier_ones_leave(lua: LuaRun) -> None:
    log_of(lua)
    prefix = lua.keys.prefix
    lua.client.zadd(prefix + "z", {"x": 1})
    lua.client.hset(prefix + "h", mapping={"a": "abc", "b": "abc", "c": "7"})
    reply = apply(
        lua,
        Write("UNLINK", "z"),
        Write("HINCRBY", "z", ("n", 5)),
        Write("HINCRBY", "z", ("n", -7)),
        Write("HSET", "h", ("a", 3)),
        Write("HINCRBY", "h", ("a", 1)),
        Write("HDEL", "h", ("b",)),
        Write("HINCRBY", "h", ("b", 2)),
        Write("HINCRBY", "h", ("c", 1)),
    )
    assert reply == ["ok"]
    assert lua.hash(prefix + "z") == {"n": "-2"}
    assert lua.hash(prefix + "h") == {"a": "4", "b": "2", "c": "8"}


@pytest.mark.parametrize(
    "raw",
    [
        ["HSET", 3, 2, "a", "1"],
        ["HSET", 0, 2, "a", "1"],
        ["UNLINK", 0, 0],
        ["HSET", -1, 2, "a", "1"],
        ["HSET", "x", 2, "a", "1"],
        ["HSET", "1.5", 2, "a", "1"],
        ["HSET", 1, 4, "a", "1"],
        ["HSET", 1, -3, "a", "1"],
        ["HSET", 1, "x", "a", "1"],
        ["HSET", 1, "1.5", "a", "1"],
        ["HSET", 1],
        ["HSET"],
    ],
)
def test_a_write_of_a_wrong_form_changes_nothing(lua: LuaRun, raw: list[object]) -> None:
    log_of(lua)
    assert "BADWRITE" in refused(lua, raw=raw)


def test_ten_thousand_writes_of_four_thousand_arguments_are_the_bound(lua: LuaRun) -> None:
    log_of(lua)
    wide = Write("HSET", HASH, tuple(range(4000)))
    assert apply(lua, wide, *[COUNT] * 9999) == ["ok"]
    assert lua.hash(lua.keys.prefix + HASH)["n"] == "9999"
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError, match="more than 10000 writes"):
        apply(lua, *[COUNT] * 10_001, before=2, after=3)
    assert lua.snapshot() == before
