"""apply.lua: every outcome it documents, and exactly one effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from support.lua_apply import (
    COUNT,
    GROUP,
    HASH,
    START,
    TEXT,
    ZSET,
    Write,
    apply,
    at,
    chain_at,
    checkpoint,
    log_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.lua_run import LuaRun
    from support.server import PrivateServer


def test_writes_and_checkpoint_are_made_together(lua: LuaRun) -> None:
    log_of(lua)
    reply = apply(
        lua,
        Write("HSET", HASH, ("a", 1, "b", 2)),
        Write("HDEL", HASH, ("a", "z")),
        Write("HINCRBY", HASH, ("b", -5)),
        Write("ZADD", ZSET, (1.5, "x", "-inf", "y", 3, "z")),
        Write("ZREM", ZSET, ("z",)),
        Write("SET", TEXT, (b"\x00\xff",)),
    )
    assert reply == ["ok"]
    prefix = lua.keys.prefix
    assert lua.hash(prefix + HASH) == {"b": "-3"}
    rows = lua.client.zrange(prefix + ZSET, 0, -1, withscores=True)
    assert rows == [(b"y", float("-inf")), (b"x", 1.5)]
    assert lua.client.get(prefix + TEXT) == b"\x00\xff"
    assert at(lua) == checkpoint(2)
    assert apply(lua, Write("UNLINK", TEXT), before=2, after=3) == ["ok"]
    assert lua.client.exists(prefix + TEXT) == 0


def test_progress_and_the_group_show_the_checkpoint(lua: LuaRun) -> None:
    log_of(lua)
    apply(lua, after=2)
    apply(lua, before=2, after=4)
    entries = lua.client.xrange(lua.keys.progress(GROUP))
    assert entries == [(b"0-4", {b"at": b"4"})]
    [group] = lua.client.xinfo_groups(lua.keys.stream)
    assert (group["name"], group["last-delivered-id"], group["lag"]) == (b"index", b"0-4", 1)


def test_a_call_sent_again_is_answered_and_not_made_again(lua: LuaRun) -> None:
    log_of(lua)
    assert apply(lua, COUNT) == ["ok"]
    before = lua.snapshot()
    assert apply(lua, COUNT) == ["ok"]
    assert lua.snapshot() == before


@pytest.mark.parametrize("held", [None, "other:3", "toke:3", "to:3", "tok", "tok:", "x:tok:3"])
def test_without_the_lease_nothing_is_written(lua: LuaRun, held: str | None) -> None:
    log_of(lua)
    lua.client.unlink(lua.keys.lease(GROUP))
    if held is not None:
        lua.client.set(lua.keys.lease(GROUP), held)
    before = lua.snapshot()
    assert apply(lua, COUNT) == ["fenced"]
    assert lua.snapshot() == before


def test_a_checkpoint_that_moved_is_told_and_nothing_written(lua: LuaRun) -> None:
    log_of(lua)
    apply(lua, after=3)
    before = lua.snapshot()
    assert apply(lua, COUNT, after=2) == ["moved", checkpoint(3)]
    assert apply(lua, COUNT, before=4, after=5) == ["moved", checkpoint(3)]
    assert apply(lua, COUNT, before=f"2:3:{chain_at(3)}", after=5) == ["moved", checkpoint(3)]
    assert lua.snapshot() == before


def test_a_group_without_a_checkpoint_is_at_the_start(lua: LuaRun) -> None:
    log_of(lua)
    before = lua.snapshot()
    assert apply(lua, COUNT, before=1) == ["moved", START]
    assert lua.snapshot() == before


def test_a_batch_of_another_history_is_refused(lua: LuaRun) -> None:
    log_of(lua)
    before = lua.snapshot()
    assert apply(lua, COUNT, chain="f" * 16) == ["diverged", chain_at(2)]
    assert apply(lua, COUNT, after=6) == ["diverged", ""]
    assert lua.snapshot() == before


def test_an_operators_reads_do_not_move_the_group(lua: LuaRun) -> None:
    log_of(lua)
    apply(lua, after=2)
    lua.client.xreadgroup(GROUP, "operator", {lua.keys.stream: ">"})
    assert apply(lua, COUNT, before=2, after=3) == ["ok"]
    [group] = lua.client.xinfo_groups(lua.keys.stream)
    assert group["last-delivered-id"] == b"0-3"


def test_a_progress_that_is_ahead_starts_afresh(lua: LuaRun) -> None:
    log_of(lua)
    lua.client.xadd(lua.keys.progress(GROUP), {"at": 9}, id="0-9")
    apply(lua, after=2)
    assert lua.client.xrange(lua.keys.progress(GROUP)) == [(b"0-2", {b"at": b"2"})]


@pytest.mark.parametrize("key", ["lease", "stream", "checkpoints"])
def test_an_own_key_of_a_wrong_type_is_an_error_and_nothing_is_written(
    lua: LuaRun, key: str
) -> None:
    log_of(lua)
    keys = {
        "lease": lua.keys.lease(GROUP),
        "stream": lua.keys.stream,
        "checkpoints": lua.keys.checkpoints,
    }
    lua.client.unlink(keys[key])
    lua.client.zadd(keys[key], {"x": 1})
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        apply(lua, COUNT)
    assert lua.snapshot() == before


def test_payloads_are_freed_when_memory_is_full(
    private_server: Callable[..., PrivateServer], lua: LuaRun, namespace: str
) -> None:
    with private_server("--maxmemory", "4mb").client() as client:
        full = type(lua)(client, lua.keys)
        log_of(full)
        payload = full.keys.prefix + TEXT
        client.set(payload, b"x" * 1_000_000)
        filler = (client.set(f"{namespace}:{n}", b"x" * 100_000) for n in range(1000))
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            all(filler)
        assert apply(full, Write("UNLINK", TEXT)) == ["ok"]
        assert client.exists(payload) == 0
