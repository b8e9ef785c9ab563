"""seal.lua and clear.lua: a log that a repair works on stands still, and goes whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.lua_append import Event, append, create
from support.lua_opening import look

from eventstore.chain import GENESIS

if TYPE_CHECKING:
    from support.lua_run import LuaRun


def seal(lua: LuaRun, came_from: str = "open", instance: str = "run:repl") -> list[Any]:
    return lua.run("seal", [lua.keys.meta], [instance, came_from])


def clear(lua: LuaRun, epoch: object = 4, uuid: str = "store") -> list[Any]:
    keys = lua.keys
    own = [keys.meta, keys.stream, keys.refs, keys.sessions, keys.payload_missing]
    return lua.run("clear", [*own, keys.checkpoints], [epoch, uuid, 4, 1, "payloads"])


@pytest.fixture
def full(lua: LuaRun) -> LuaRun:
    """A partition in use."""
    create(lua)
    fields: dict[str, int | str] = {"uuid": "store", "partitions": 4, "format": 1, "trimmed": 0}
    fields["trimmed_ms"] = 0
    lua.set_hash(lua.keys.meta, {**fields, "run_id": "run", "replid": "repl", "stored:file": 9})
    append(lua, Event(1, payload=b"12345"), Event(2, lane="tick"))
    lua.client.hset(lua.keys.payload_missing, "a", "1")
    lua.client.hset(lua.keys.checkpoints, mapping={"index": "1:2:aa", "payloads": "1:2:aa"})
    return lua


class TestSeal:
    def test_an_open_partition_takes_no_appends_any_more(self, full: LuaRun) -> None:
        assert seal(full) == ["ok", "4"]
        assert append(full, Event(3), epoch=3) == ["stale", "4", "sealed"]
        assert append(full, Event(3), epoch=4) == ["stale", "4", "sealed"]
        before = full.snapshot()
        assert seal(full) == ["ok", "4"]
        assert full.snapshot() == before

    def test_a_seal_for_another_instance_is_raised(self, full: LuaRun) -> None:
        seal(full, instance="other:repl")
        assert seal(full) == ["ok", "5"]
        assert full.hash(full.keys.meta)["sealing"] == "run:repl"

    def test_a_partition_that_is_being_cleared_is_sealed_by_who_finished_that(
        self, full: LuaRun
    ) -> None:
        seal(full)
        clear(full)
        before = full.snapshot()
        assert seal(full) == ["moved", "clearing"]
        assert full.snapshot() == before
        assert seal(full, "clearing") == ["ok", "6"]
        assert look(full) == ["sealed", "store", "6", "0", GENESIS, "before"]

    def test_nothing_is_sealed_where_nothing_is(self, lua: LuaRun) -> None:
        assert seal(lua) == ["moved", ""]
        assert lua.snapshot() == {}


class TestClear:
    def test_the_log_goes_and_what_others_wrote_stays(self, full: LuaRun) -> None:
        seal(full)
        assert clear(full) == ["ok"]
        keys = full.keys
        assert full.hash(keys.meta) == {
            "uuid": "store",
            "partitions": "4",
            "format": "1",
            "run_id": "run",
            "replid": "repl",
            "stored:file": "9",
            "epoch": "5",
            "state": "clearing",
            "head": "0",
            "chain": GENESIS,
            "payload_bytes": "0",
        }
        gone = (keys.stream, keys.refs, keys.sessions, keys.payload_missing)
        assert full.client.exists(*gone) == 0
        assert full.client.exists(keys.checkpoints, keys.payload(Event(1).ref_hex)) == 2
        assert set(full.hash(keys.checkpoints)) == {"index", "payloads"}
        before = full.snapshot()
        assert clear(full) == ["ok"]
        assert full.snapshot() == before
        assert look(full) == ["clearing", "store", "5"]

    @pytest.mark.parametrize(("epoch", "uuid"), [(3, "store"), (5, "store"), (4, "another")])
    def test_what_is_not_as_it_was_seen_stays(self, full: LuaRun, epoch: int, uuid: str) -> None:
        seal(full)
        before = full.snapshot()
        assert clear(full, epoch, uuid) == ["moved", "4", "sealed"]
        assert full.snapshot() == before

    def test_an_open_partition_stays(self, full: LuaRun) -> None:
        before = full.snapshot()
        assert clear(full, 3) == ["moved", "3", "open"]
        assert full.snapshot() == before

    def test_a_partition_without_meta_gets_one(self, full: LuaRun) -> None:
        full.client.unlink(full.keys.meta)
        assert clear(full, "") == ["ok"]
        meta = full.hash(full.keys.meta)
        assert int(meta["epoch"]) > 1_600_000_000_000
        assert (meta["state"], meta["uuid"], meta["head"]) == ("clearing", "store", "0")
        assert full.client.exists(full.keys.stream) == 0
        # What was counted is unknown, so the group that counts does so anew.
        assert set(full.hash(full.keys.checkpoints)) == {"index"}
