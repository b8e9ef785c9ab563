"""restart.lua: a group begins anew only from a checkpoint that the log contradicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.lua_apply import GROUP, chain_at, checkpoint, log_of

if TYPE_CHECKING:
    from support.lua_run import LuaRun

BEGIN, SHADOW, DROP = "2:0:0000000000000000", "index@g2", "index@drop1"
# Beyond the log, and another chain within it.
LOST = "1:9:00000000000000ff"
OTHER = "1:3:00000000000000ff"


def restart(lua: LuaRun, seen: str, *, token: str = "tok", drop: str = DROP) -> list[Any]:
    keys = lua.keys
    own = [keys.lease(GROUP), keys.meta, keys.stream, keys.checkpoints, keys.progress(GROUP)]
    args = [token, GROUP, seen, BEGIN, SHADOW, drop, "stored:file", "stored:digest"]
    return lua.run("restart", [*own, keys.payload_digests], args)


@pytest.fixture(autouse=True)
def _log(lua: LuaRun) -> None:
    log_of(lua, 5)
    lua.set_hash(lua.keys.meta, {"head": 5, "stored:file": 7, "payload_bytes": 3})
    lua.set_hash(lua.keys.payload_digests, {"a": 1})
    lua.client.xadd(lua.keys.progress(GROUP), {"at": 9}, id="0-9")


@pytest.mark.parametrize("seen", [LOST, OTHER])
def test_a_checkpoint_that_the_log_contradicts_is_replaced(lua: LuaRun, seen: str) -> None:
    lua.set_hash(lua.keys.checkpoints, {GROUP: seen, "timeline": checkpoint(2)})
    assert restart(lua, seen) == ["ok"]
    assert lua.hash(lua.keys.checkpoints) == {
        GROUP: BEGIN,
        DROP: seen,
        "timeline": checkpoint(2),
    }
    assert lua.hash(lua.keys.meta) == {"head": "5", "payload_bytes": "3"}
    assert lua.client.exists(lua.keys.payload_digests, lua.keys.progress(GROUP)) == 0
    before = lua.snapshot()
    assert restart(lua, seen) == ["ok"]
    assert lua.snapshot() == before


def test_a_group_without_generations_drops_none(lua: LuaRun) -> None:
    lua.set_hash(lua.keys.checkpoints, {GROUP: LOST})
    assert restart(lua, LOST, drop="") == ["ok"]
    assert lua.hash(lua.keys.checkpoints) == {GROUP: BEGIN}


@pytest.mark.parametrize("position", [1, 4, 5])
def test_one_that_the_log_bears_out_stays(lua: LuaRun, position: int) -> None:
    seen = checkpoint(position)
    lua.set_hash(lua.keys.checkpoints, {GROUP: seen})
    before = lua.snapshot()
    assert restart(lua, seen) == ["whole"]
    assert lua.snapshot() == before


def test_one_at_the_start_stays(lua: LuaRun) -> None:
    before = lua.snapshot()
    assert restart(lua, checkpoint(0)) == ["whole"]
    assert lua.snapshot() == before


def test_an_entry_that_was_trimmed_contradicts_nothing(lua: LuaRun) -> None:
    lua.client.xtrim(lua.keys.stream, minid="0-4", approximate=False)
    lua.set_hash(lua.keys.checkpoints, {GROUP: OTHER})
    assert restart(lua, OTHER) == ["whole"]


def test_a_checkpoint_that_moved_meanwhile_stays(lua: LuaRun) -> None:
    lua.set_hash(lua.keys.checkpoints, {GROUP: OTHER})
    before = lua.snapshot()
    assert restart(lua, LOST) == ["moved", OTHER]
    assert lua.snapshot() == before


def test_a_number_that_a_rebuild_took_is_left_to_it(lua: LuaRun) -> None:
    lua.set_hash(lua.keys.checkpoints, {GROUP: LOST, SHADOW: f"2:1:{chain_at(1)}"})
    before = lua.snapshot()
    assert restart(lua, LOST) == ["moved", LOST]
    assert lua.snapshot() == before


@pytest.mark.parametrize("token", ["other", "to", "tok:3"])
def test_without_the_lease_nothing_is_written(lua: LuaRun, token: str) -> None:
    lua.set_hash(lua.keys.checkpoints, {GROUP: LOST})
    before = lua.snapshot()
    assert restart(lua, LOST, token=token) == ["fenced"]
    assert lua.snapshot() == before
