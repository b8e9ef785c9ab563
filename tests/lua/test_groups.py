"""subscribe.lua, reset.lua, delete.lua: a group set up once, moved and deleted by its holder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.lua_apply import START, chain_at, checkpoint

if TYPE_CHECKING:
    from support.lua_run import LuaRun

GROUP, RECORD = "mailer", '{"starts":[]}'


@pytest.fixture(autouse=True)
def _a_log(lua: LuaRun) -> None:
    for position in range(1, 6):
        lua.client.xadd(lua.keys.stream, {"chain": chain_at(position)}, id=f"0-{position}")


def subscribe(lua: LuaRun, position: int = 0, record: str = RECORD) -> list[Any]:
    keys = lua.keys
    return lua.run(
        "subscribe",
        [keys.subscribers, keys.competing, keys.checkpoints, keys.stream],
        [GROUP, record, checkpoint(position), position],
    )


def reset(lua: LuaRun, before: int, after: int, token: str = "tok") -> list[Any]:
    keys = lua.keys
    return lua.run(
        "reset",
        [keys.lease(GROUP), keys.checkpoints, keys.stream, keys.progress(GROUP)],
        [token, GROUP, checkpoint(before), checkpoint(after), after],
    )


def delete(lua: LuaRun, step: str, token: str = "tok") -> list[Any]:
    keys = lua.keys
    names = [keys.lease(GROUP), keys.subscribers, keys.checkpoints, keys.stream]
    names += [keys.progress(GROUP), keys.members(GROUP), keys.competing]
    work = keys.work(GROUP)
    return lua.run("delete", [*names, work.stream, work.due, work.seats], [token, GROUP, step])


def hold(lua: LuaRun) -> None:
    """Let `tok` hold the group's lease."""
    lua.client.set(lua.keys.lease(GROUP), "tok:4")


def mirrored(lua: LuaRun) -> dict[str, str]:
    """Return the stream's own consumer groups and their positions."""
    groups: Any = lua.client.xinfo_groups(lua.keys.stream)
    return {each["name"].decode(): each["last-delivered-id"].decode() for each in groups}


class TestSubscribe:
    @pytest.mark.parametrize("position", [0, 3])
    def test_a_new_group_begins_where_it_should(self, lua: LuaRun, position: int) -> None:
        assert subscribe(lua, position) == ["ok", RECORD]
        assert lua.hash(lua.keys.subscribers) == {GROUP: RECORD}
        assert lua.hash(lua.keys.checkpoints) == {GROUP: checkpoint(position)}
        assert mirrored(lua) == {GROUP: f"0-{position}"}

    def test_a_group_that_is_there_stays_as_it_is(self, lua: LuaRun) -> None:
        subscribe(lua, 3)
        before = lua.snapshot()
        assert subscribe(lua, 5, "{}") == ["ok", RECORD]
        assert lua.snapshot() == before

    def test_an_empty_log_is_no_obstacle(self, lua: LuaRun) -> None:
        lua.client.unlink(lua.keys.stream)
        assert subscribe(lua) == ["ok", RECORD]
        assert lua.hash(lua.keys.checkpoints) == {GROUP: START}

    @pytest.mark.parametrize("taken", ["checkpoints", "competing"])
    def test_the_name_of_another_kind_is_refused(self, lua: LuaRun, taken: str) -> None:
        lua.set_hash(getattr(lua.keys, taken), {GROUP: checkpoint(2)})
        before = lua.snapshot()
        assert subscribe(lua) == ["taken"]
        assert lua.snapshot() == before

    def test_one_that_is_being_deleted_is_refused(self, lua: LuaRun) -> None:
        lua.set_hash(lua.keys.subscribers, {GROUP: ""})
        before = lua.snapshot()
        assert subscribe(lua) == ["deleting"]
        assert lua.snapshot() == before


class TestReset:
    @pytest.mark.parametrize(("before", "after"), [(4, 0), (4, 2), (2, 5)])
    def test_the_holder_moves_it(self, lua: LuaRun, before: int, after: int) -> None:
        subscribe(lua, before)
        hold(lua)
        lua.client.xadd(lua.keys.progress(GROUP), {"at": before}, id=f"0-{before}")
        for _ in range(2):
            assert reset(lua, before, after) == ["ok"]
            assert lua.hash(lua.keys.checkpoints) == {GROUP: checkpoint(after)}
            assert mirrored(lua) == {GROUP: f"0-{after}"}
        left: Any = lua.client.xrange(lua.keys.progress(GROUP))
        ends = [entry for entry, _ in left]
        assert ends == ([f"0-{after}".encode()] if after else [])

    @pytest.mark.parametrize("token", ["other", "", "tok:4"])
    def test_nobody_else_does(self, lua: LuaRun, token: str) -> None:
        subscribe(lua, 4)
        hold(lua)
        before = lua.snapshot()
        assert reset(lua, 4, 0, token) == ["fenced"]
        assert lua.snapshot() == before

    def test_without_a_holder_it_stays(self, lua: LuaRun) -> None:
        subscribe(lua, 4)
        assert reset(lua, 4, 0) == ["fenced"]

    def test_one_that_moved_meanwhile_stays(self, lua: LuaRun) -> None:
        subscribe(lua, 4)
        hold(lua)
        before = lua.snapshot()
        assert reset(lua, 3, 0) == ["moved", checkpoint(4)]
        assert lua.snapshot() == before

    def test_a_group_that_is_gone_is_not_made_again(self, lua: LuaRun) -> None:
        hold(lua)
        before = lua.snapshot()
        assert reset(lua, 3, 0) == ["moved", ""]
        assert lua.snapshot() == before


class TestDelete:
    def test_marked_it_has_no_position_and_finished_no_name(self, lua: LuaRun) -> None:
        bare = lua.snapshot()
        subscribe(lua, 4)
        hold(lua)
        lua.client.zadd(lua.keys.members(GROUP), {"[]": 1})
        lua.client.xadd(lua.keys.progress(GROUP), {"at": 4}, id="0-4")
        for _ in range(2):
            assert delete(lua, "mark") == ["ok"]
            assert lua.hash(lua.keys.subscribers) == {GROUP: ""}
            assert lua.hash(lua.keys.checkpoints) == {}
            assert mirrored(lua) == {}
        for _ in range(2):
            assert delete(lua, "finish") == ["ok"]
            assert lua.snapshot() == bare

    def test_a_competing_group_goes_with_its_work(self, lua: LuaRun) -> None:
        bare = lua.snapshot()
        work = lua.keys.work(GROUP)
        lua.set_hash(lua.keys.competing, {GROUP: "{}"})
        lua.set_hash(lua.keys.checkpoints, {GROUP: checkpoint(3)})
        lua.client.xadd(work.stream, {"position": 3})
        lua.client.zadd(work.due, {"2:1": 5})
        lua.set_hash(work.seats, {"1": "who:3"})
        hold(lua)
        assert delete(lua, "mark") == ["ok"]
        assert lua.hash(lua.keys.subscribers) == {GROUP: ""}
        assert lua.client.exists(work.stream, work.due) == 0
        assert delete(lua, "finish") == ["ok"]
        assert lua.snapshot() == bare

    @pytest.mark.parametrize("step", ["mark", "finish"])
    def test_only_the_holder_deletes(self, lua: LuaRun, step: str) -> None:
        subscribe(lua, 4)
        lua.client.set(lua.keys.lease(GROUP), "other:0")
        before = lua.snapshot()
        assert delete(lua, step) == ["fenced"]
        assert lua.snapshot() == before

    def test_what_a_projection_left_goes_too(self, lua: LuaRun) -> None:
        lua.set_hash(lua.keys.checkpoints, {GROUP: checkpoint(3), "index": checkpoint(4)})
        hold(lua)
        assert delete(lua, "mark") == ["ok"]
        assert delete(lua, "finish") == ["ok"]
        assert lua.hash(lua.keys.checkpoints) == {"index": checkpoint(4)}

    def test_a_group_that_is_not_there_is_left_alone(self, lua: LuaRun) -> None:
        before = lua.snapshot()
        assert delete(lua, "mark", "") == ["ok"]
        assert lua.snapshot() == before
