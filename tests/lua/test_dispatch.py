"""compete.lua and dispatch.lua: every outcome they document, and each event on work once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.lua_work import (
    GROUP,
    START,
    compete,
    dispatch,
    log_of,
    set_up_group,
    settle,
    take,
    work_of,
)
from support.wait import until

if TYPE_CHECKING:
    from support.lua_run import LuaRun


@pytest.fixture
def set_up(lua: LuaRun) -> LuaRun:
    """A group with the work of three events."""
    return set_up_group(lua)


class TestCompete:
    def test_whoever_comes_first_decides(self, lua: LuaRun) -> None:
        chains = log_of(lua, ("a", "", 1))
        assert compete(lua, "first", f"1:1:{chains[0]}") == ["ok", "first"]
        assert compete(lua, "second") == ["ok", "first"]
        assert lua.hash(lua.keys.checkpoints) == {GROUP: f"1:1:{chains[0]}"}
        [group] = lua.client.xinfo_groups(lua.keys.stream)
        assert (group["name"], group["last-delivered-id"]) == (b"g", b"0-1")

    @pytest.mark.parametrize("taken", ["subscribers", "checkpoints"])
    def test_a_name_of_another_kind_of_group_is_taken(self, lua: LuaRun, taken: str) -> None:
        lua.set_hash(getattr(lua.keys, taken), {GROUP: "1:0:0"})
        before = lua.snapshot()
        assert compete(lua) == ["taken"]
        assert lua.snapshot() == before

    def test_one_that_is_being_deleted_is_told(self, lua: LuaRun) -> None:
        lua.set_hash(lua.keys.subscribers, {GROUP: ""})
        before = lua.snapshot()
        assert compete(lua) == compete(lua, "") == ["deleting"]
        assert lua.snapshot() == before

    def test_mending_makes_no_group(self, lua: LuaRun) -> None:
        assert compete(lua, "") == ["gone"]
        assert lua.snapshot() == {}
        compete(lua, "record")
        assert compete(lua, "") == ["ok", "record"]

    def test_a_destroyed_consumer_group_begins_with_all_that_is_left(self, set_up: LuaRun) -> None:
        take(set_up)
        set_up.client.xgroup_destroy(set_up.keys.work(GROUP).stream, GROUP)
        compete(set_up)
        assert [take(set_up), take(set_up), take(set_up)]


class TestDispatch:
    def test_each_event_becomes_work_once(self, set_up: LuaRun) -> None:
        assert work_of(set_up) == [(1, 0), (2, 0), (3, 0)]
        reply = dispatch(set_up)
        assert reply[:4] == ["ok", "3", "0", ""]
        assert work_of(set_up) == [(1, 0), (2, 0), (3, 0)]
        entries = set_up.client.xrange(set_up.keys.progress(GROUP))
        assert entries == [(b"0-3", {b"at": b"3"})]
        [group] = set_up.client.xinfo_groups(set_up.keys.stream)
        assert group["lag"] == 0

    @pytest.mark.parametrize(
        ("kinds", "types", "chosen"),
        [
            ((), (), [1, 2, 3]),
            (("a",), (), [1, 2]),
            ((), ("y", "b"), [2, 3]),
            (("b",), ("y",), []),
        ],
    )
    def test_what_is_not_asked_for_is_passed_over(
        self, lua: LuaRun, kinds: tuple[str, ...], types: tuple[str, ...], chosen: list[int]
    ) -> None:
        chains = log_of(lua, ("a", "x", 1), ("a", "y", 1), ("b", "", 2))
        compete(lua)
        dispatch(lua, kinds=kinds, types=types)
        assert [position for position, _ in work_of(lua)] == chosen
        assert lua.hash(lua.keys.checkpoints)[GROUP] == f"1:3:{chains[2]}"

    def test_the_log_waits_while_there_is_enough_work(self, lua: LuaRun) -> None:
        log_of(lua, *[("a", "", 1)] * 5)
        compete(lua)
        assert dispatch(lua, limit=2, most=3)[1:3] == ["2", "2"]
        assert dispatch(lua, limit=2, most=3)[1:3] == ["4", "2"]
        reply = dispatch(lua, limit=2, most=3)
        assert (reply[1:3], reply[5]) == (["4", "0"], "1")
        settle(lua, take(lua), "done")
        settle(lua, take(lua), "done")
        reply = dispatch(lua, limit=2, most=3)
        assert (reply[1:3], reply[5]) == (["5", "1"], "0")

    def test_what_is_due_is_work_again(self, set_up: LuaRun) -> None:
        settle(set_up, take(set_up), "again", "1", "1", "20")
        settle(set_up, take(set_up), "again", "2", "2", "600000")
        wait = int(dispatch(set_up)[3])
        assert 0 <= wait <= 600_000
        until(lambda: (dispatch(set_up) and work_of(set_up)) == [(3, 0), (1, 1)])
        assert 500_000 < int(dispatch(set_up)[3]) <= 600_000

    def test_a_version_too_new_stops_it_right_before(self, lua: LuaRun) -> None:
        log_of(lua, ("a", "", 1), ("unknown", "", 99), ("b", "", 3), ("a", "", 1))
        compete(lua)
        assert dispatch(lua)[1:3] == ["2", "2"]
        before = lua.snapshot()
        assert dispatch(lua) == ["newer", "3", "b", "3"]
        assert lua.snapshot() == before

    def test_another_history_is_told(self, lua: LuaRun) -> None:
        chains = log_of(lua, ("a", "", 1), ("a", "", 1))
        compete(lua, start="1:1:" + "f" * 16)
        before = lua.snapshot()
        assert dispatch(lua) == ["diverged", "1", "f" * 16]
        lua.set_hash(lua.keys.checkpoints, {GROUP: f"1:9:{chains[0]}"})
        assert dispatch(lua) == ["diverged", "9", chains[0]]
        lua.set_hash(lua.keys.checkpoints, {GROUP: "1:1:" + "f" * 16})
        assert lua.snapshot() == before

    def test_trimmed_events_are_given_by_the_caller(self, lua: LuaRun) -> None:
        chains = log_of(lua, ("a", "x", 1), ("b", "", 2), ("a", "x", 1))
        compete(lua)
        lua.client.xtrim(lua.keys.stream, minid="0-3", approximate=False)
        assert dispatch(lua) == ["trimmed", START]
        given = (1, "a", "x", 1, chains[0], 2, "b", "", 2, chains[1])
        assert dispatch(lua, *given, behind=f"1:1:{chains[0]}") == ["moved"]
        assert dispatch(lua, *given, behind=START, kinds=("a",))[:3] == ["ok", "2", "1"]
        assert dispatch(lua, *given, behind=START) == ["moved"]
        assert dispatch(lua)[:3] == ["ok", "3", "1"]
        assert [position for position, _ in work_of(lua)] == [1, 3]

    def test_a_group_that_is_not_there_is_told(self, lua: LuaRun) -> None:
        log_of(lua, ("a", "", 1))
        assert dispatch(lua) == ["gone"]
        compete(lua)
        lua.client.hdel(lua.keys.checkpoints, GROUP)
        assert dispatch(lua) == ["gone"]
