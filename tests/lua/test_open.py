"""open.lua, establish.lua, admit.lua: which server instances take appends, at which epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
from support.lua_opening import admit, establish, look, opened

from eventstore.chain import GENESIS

if TYPE_CHECKING:
    from support.lua_run import LuaRun


def append(lua: LuaRun, position: int = 1) -> str:
    """Leave an event in the log, as append.lua would; return its chain."""
    chain = f"{position:016x}"
    lua.client.xadd(lua.keys.stream, {"chain": chain}, id=f"0-{position}")
    lua.set_hash(lua.keys.meta, {"head": position, "chain": chain})
    lua.client.hset(lua.keys.refs, f"{position}", "x")
    lua.client.zadd(lua.keys.sessions, {"s": position})
    return chain


class TestEstablish:
    def test_a_partition_begins_empty_and_sealed(self, lua: LuaRun) -> None:
        assert establish(lua) == ["ok"]
        meta = lua.hash(lua.keys.meta)
        # Above any epoch that an earlier store had here.
        assert int(meta.pop("epoch")) > 1_600_000_000_000
        assert meta == {
            "uuid": "store",
            "partitions": "4",
            "format": "1",
            "state": "sealed",
            "sealing": "run:repl",
            "head": "0",
            "chain": GENESIS,
            "payload_bytes": "0",
        }

    def test_the_same_call_again_writes_nothing(self, lua: LuaRun) -> None:
        establish(lua)
        before = lua.snapshot()
        assert establish(lua) == ["ok"]
        assert establish(lua, uuid="another") == ["taken", "store"]
        assert lua.snapshot() == before

    def test_what_is_there_is_left(self, lua: LuaRun) -> None:
        opened(lua)
        before = lua.snapshot()
        assert establish(lua) == ["taken", "store"]
        assert lua.snapshot() == before

    def test_a_stream_without_meta_is_left(self, lua: LuaRun) -> None:
        lua.client.xadd(lua.keys.stream, {"a": "b"}, id="0-7")
        before = lua.snapshot()
        assert establish(lua) == ["poisoned", "a stream that ends at 0-7 without meta"]
        assert lua.snapshot() == before


class TestLook:
    def test_nothing_is_there(self, lua: LuaRun) -> None:
        assert look(lua) == ["absent", "0"]
        lua.client.xadd(lua.keys.stream, {"a": "b"}, id="0-7")
        lua.client.hset(lua.keys.refs, "a", "b")
        assert look(lua) == ["absent", "2"]

    def test_an_admitted_instance_is_known(self, lua: LuaRun) -> None:
        epoch = opened(lua)
        before = lua.snapshot()
        known = ["ok", "store", epoch, "0", GENESIS]
        assert look(lua) == known
        assert look(lua, uuid="store") == known
        assert lua.snapshot() == before

    def test_what_was_established_is_sealed_until_it_is_admitted(self, lua: LuaRun) -> None:
        establish(lua)
        epoch = lua.hash(lua.keys.meta)["epoch"]
        before = lua.snapshot()
        assert look(lua) == ["sealed", "store", epoch, "0", GENESIS, "never"]
        assert lua.snapshot() == before

    @pytest.mark.parametrize(
        ("run_id", "replid"), [("other", "repl"), ("run", "other"), ("a", "b")]
    )
    def test_a_new_instance_is_sealed_at_a_new_epoch(
        self, lua: LuaRun, run_id: str, replid: str
    ) -> None:
        epoch = int(opened(lua))
        chain = append(lua)
        sealed = ["sealed", "store", str(epoch + 1), "1", chain, "before"]
        assert look(lua, run_id=run_id, replid=replid) == sealed
        meta = lua.hash(lua.keys.meta)
        assert (meta["state"], meta["sealing"]) == ("sealed", f"{run_id}:{replid}")
        # Whoever looks again finds the same; a further instance is a further epoch.
        before = lua.snapshot()
        assert look(lua, run_id=run_id, replid=replid) == sealed
        assert lua.snapshot() == before
        assert look(lua, run_id="third")[2] == str(epoch + 2)
        # Even the one that was admitted has to be verified by now.
        assert look(lua)[0] == "sealed"

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            ({"uuid": "mine"}, ["wrong", "uuid", "store"]),
            ({"partitions": 1}, ["wrong", "partitions", "4"]),
            ({"layout": 2}, ["wrong", "format", "1"]),
            ({"run_id": "new", "uuid": "mine"}, ["wrong", "uuid", "store"]),
        ],
    )
    def test_another_store_is_left(self, lua: LuaRun, asked: Any, said: list[str]) -> None:
        opened(lua)
        before = lua.snapshot()
        assert look(lua, **asked) == said
        assert lua.snapshot() == before

    @pytest.mark.parametrize("fault", ["longer", "shorter", "chain"])
    def test_a_log_that_does_not_end_where_meta_says_is_left(self, lua: LuaRun, fault: str) -> None:
        opened(lua)
        append(lua, 1)
        append(lua, 2)
        if fault == "longer":
            lua.client.xadd(lua.keys.stream, {"chain": "x"}, id="0-3")
        elif fault == "shorter":
            lua.client.xdel(lua.keys.stream, "0-2")
        else:
            lua.set_hash(lua.keys.meta, {"chain": "f" * 16})
        before = lua.snapshot()
        end = {"longer": "0-3", "shorter": "0-1", "chain": "0-2"}[fault]
        said = ["poisoned", f"the stream ends at {end}, meta at 0-2"]
        assert look(lua, run_id="new") == said
        assert lua.snapshot() == before

    @pytest.mark.parametrize("key", ["refs", "sessions"])
    def test_a_log_without_its_books_is_left(self, lua: LuaRun, key: str) -> None:
        opened(lua)
        append(lua)
        lua.client.unlink(getattr(lua.keys, key))
        before = lua.snapshot()
        assert look(lua, run_id="new") == ["poisoned", "refs or sessions is gone"]
        assert lua.snapshot() == before

    def test_a_partition_that_is_being_cleared_says_so(self, lua: LuaRun) -> None:
        epoch = opened(lua)
        lua.set_hash(lua.keys.meta, {"state": "clearing"})
        before = lua.snapshot()
        assert look(lua) == ["clearing", "store", epoch]
        assert look(lua, run_id="new") == ["clearing", "store", epoch]
        assert lua.snapshot() == before

    @pytest.mark.parametrize("key", ["meta", "stream"])
    def test_a_key_of_another_type_is_an_error(self, lua: LuaRun, key: str) -> None:
        lua.client.set(getattr(lua.keys, key), "x")
        before = lua.snapshot()
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            look(lua)
        assert lua.snapshot() == before


class TestAdmit:
    def test_a_verified_instance_takes_appends(self, lua: LuaRun) -> None:
        establish(lua)
        epoch = lua.hash(lua.keys.meta)["epoch"]
        assert admit(lua, epoch) == ["ok"]
        meta = lua.hash(lua.keys.meta)
        assert (meta["state"], meta["run_id"], meta["replid"]) == ("open", "run", "repl")
        assert meta["epoch"] == epoch
        assert "sealing" not in meta
        before = lua.snapshot()
        assert admit(lua, epoch) == ["ok"]
        assert lua.snapshot() == before

    def test_an_append_since_changes_nothing_for_who_asks_again(self, lua: LuaRun) -> None:
        epoch = opened(lua)
        append(lua)
        assert admit(lua, epoch) == ["ok"]

    @pytest.mark.parametrize(
        "asked",
        [
            {"epoch": "7"},
            {"head": 1},
            {"chain": "f" * 16},
            {"run_id": "other"},
            {"replid": "other"},
        ],
    )
    def test_what_is_not_as_it_was_verified_stays_sealed(self, lua: LuaRun, asked: Any) -> None:
        establish(lua)
        epoch = lua.hash(lua.keys.meta)["epoch"]
        before = lua.snapshot()
        reply = admit(lua, **{"epoch": epoch, **asked})
        assert reply == ["moved", epoch, "sealed", "0", GENESIS]
        assert lua.snapshot() == before

    def test_without_meta_nothing_is_admitted(self, lua: LuaRun) -> None:
        assert admit(lua, "1") == ["moved", "", "", "", ""]
        assert lua.snapshot() == {}
