"""settle, claim, renew, seat and unpark: every outcome they document."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from support.lua_work import (
    GROUP,
    claim,
    compete,
    dispatch,
    log_of,
    renew,
    seat,
    set_up_group,
    settle,
    take,
    unpark,
    work_of,
)
from support.wait import until

from eventstore.keys import Keys

if TYPE_CHECKING:
    from support.lua_run import LuaRun


@pytest.fixture
def set_up(lua: LuaRun) -> LuaRun:
    """A group with the work of three events."""
    return set_up_group(lua)


class TestSettle:
    def test_done_is_done_once(self, set_up: LuaRun) -> None:
        entry = take(set_up)
        assert settle(set_up, entry, "done") == ["ok"]
        before = set_up.snapshot()
        assert settle(set_up, entry, "done") == ["gone"]
        assert settle(set_up, entry, "again", "1", "1", "0") == ["gone"]
        assert set_up.snapshot() == before
        assert work_of(set_up) == [(2, 0), (3, 0)]

    def test_what_is_not_in_hand_is_lost(self, set_up: LuaRun) -> None:
        entry = take(set_up)
        before = set_up.snapshot()
        for how in ("done", "again", "park"):
            assert settle(set_up, entry, how, consumer="c2") == ["lost"]
            assert settle(set_up, entry, how, given=2) == ["lost"]
        assert set_up.snapshot() == before
        set_up.client.xgroup_destroy(set_up.keys.work(GROUP).stream, GROUP)
        assert settle(set_up, entry, "done") == ["lost"]

    def test_again_is_now_or_later(self, set_up: LuaRun) -> None:
        assert settle(set_up, take(set_up), "again", "1", "4", "0") == ["ok"]
        assert work_of(set_up) == [(2, 0), (3, 0), (1, 4)]
        assert settle(set_up, take(set_up), "again", "2", "1", "60000") == ["ok"]
        assert set_up.client.zrange(set_up.keys.work(GROUP).due, 0, -1) == [b"2:1"]

    def test_a_position_is_parked_once(self, set_up: LuaRun) -> None:
        keys = set_up.keys.parked(GROUP)
        for why in ("first", "second"):
            assert settle(set_up, take(set_up), "park", "7", "0", "0", "s:7", why) == ["ok"]
        assert set_up.hash(keys.items) == {"7": "first"}
        assert set_up.client.zrange(keys.positions, 0, -1, withscores=True) == [(b"7", 7.0)]
        assert set_up.client.zrange(keys.sessions, 0, -1) == [b"s:7"]
        assert work_of(set_up) == [(3, 0)]

    def test_another_word_is_an_error(self, set_up: LuaRun) -> None:
        entry, before = take(set_up), set_up.snapshot()
        with pytest.raises(Exception, match="BADARG"):
            settle(set_up, entry, "forgotten")
        assert set_up.snapshot().keys() == before.keys()


class TestClaim:
    def test_abandoned_work_changes_hands_and_is_counted(self, set_up: LuaRun) -> None:
        entries = [take(set_up, "c1"), take(set_up, "c2")]
        assert claim(set_up, idle=600_000) == ["ok", ""]
        assert claim(set_up, limit=1) == ["ok", "", entries[0], "1", "0", "2"]
        found = claim(set_up)
        assert found == ["ok", "", entries[0], "1", "0", "3", entries[1], "2", "0", "2"]
        assert settle(set_up, entries[0], "done", consumer="c1") == ["lost"]
        assert settle(set_up, entries[0], "done", consumer="c2", given=3) == ["ok"]

    def test_more_than_a_page_is_found(self, lua: LuaRun) -> None:
        log_of(lua, *[("a", "", 1)] * 90)
        compete(lua)
        dispatch(lua)
        for _ in range(90):
            take(lua)
        assert len(claim(lua, limit=100)) == 2 + 4 * 90

    def test_what_somebody_deleted_is_told(self, set_up: LuaRun) -> None:
        entry = take(set_up)
        set_up.client.xdel(set_up.keys.work(GROUP).stream, entry)
        assert claim(set_up) == ["ok", entry]
        assert claim(set_up) == ["ok", ""]

    def test_names_without_anything_in_hand_are_forgotten(self, set_up: LuaRun) -> None:
        work = set_up.keys.work(GROUP).stream
        settle(set_up, take(set_up, "idle"), "done", consumer="idle")
        take(set_up, "busy")

        def names() -> set[bytes]:
            claim(set_up, idle=600_000)
            found: Any = set_up.client.xinfo_consumers(work, GROUP)
            return {each["name"] for each in found}

        until(lambda: b"idle" not in names())
        assert b"busy" in names()


class TestRenew:
    def test_what_is_held_is_young_again(self, set_up: LuaRun) -> None:
        work = set_up.keys.work(GROUP).stream
        entry = take(set_up)
        set_up.client.xclaim(work, GROUP, "c1", 0, [entry], idle=600_000, justid=True)
        assert renew(set_up, "c1", entry, 1) == ["ok"]
        held: Any = set_up.client.xpending_range(work, GROUP, "-", "+", 1)
        assert held[0]["time_since_delivered"] < 600_000
        assert (held[0]["consumer"], held[0]["times_delivered"]) == (b"c1", 1)

    def test_what_is_anothers_is_told(self, set_up: LuaRun) -> None:
        mine, stolen, done = take(set_up), take(set_up), take(set_up)
        settle(set_up, done, "done")
        set_up.client.xclaim(set_up.keys.work(GROUP).stream, GROUP, "thief", 0, [stolen])
        held = [("c1", entry, 1) for entry in (mine, stolen, done)]
        assert renew(set_up, *(part for each in held for part in each)) == ["ok", stolen, done]
        assert renew(set_up, "c1", mine, 2) == ["ok", mine]


class TestSeat:
    def test_few_names_serve_all_that_ever_come(self, lua: LuaRun) -> None:
        assert seat(lua, "one") == ["ok", "1", "1"]
        assert seat(lua, "two")[:2] == ["ok", "2"]
        assert sorted(seat(lua, "one")[2:]) == ["1", "2"]
        assert seat(lua, "one", leaving=1) == ["ok", "", "2"]
        assert seat(lua, "three")[:2] == ["ok", "1"]

    def test_a_silent_ones_place_is_free(self, lua: LuaRun) -> None:
        seat(lua, "dead")
        tokens = map(str, itertools.count())
        # Whoever has a place already keeps it, so somebody new asks each time.
        until(lambda: seat(lua, next(tokens), ttl=1)[1] == "1")


class TestUnpark:
    @pytest.fixture
    def parked(self, set_up: LuaRun) -> LuaRun:
        """Park two positions."""
        for n in (1, 2):
            settle(set_up, take(set_up), "park", n, "0", "0", f"s:{n}", "why")
        return set_up

    def left(self, lua: LuaRun) -> tuple[Any, Any, Any]:
        keys = lua.keys.parked(GROUP)
        return (
            lua.client.zrange(keys.positions, 0, -1),
            lua.client.hkeys(keys.items),
            lua.client.zrange(keys.sessions, 0, -1),
        )

    @pytest.mark.parametrize("how", ["work", "forget"])
    def test_what_is_taken_out_is_left_out_no_more(self, parked: LuaRun, how: str) -> None:
        assert unpark(parked, how, 1, "s:1", 9, "s:9") == ["ok", "1"]
        assert self.left(parked) == ([b"2"], [b"2"], [b"s:2"])
        assert work_of(parked) == ([(3, 0), (1, 0)] if how == "work" else [(3, 0)])
        before = parked.snapshot()
        assert unpark(parked, how, 1, "s:1") == ["ok", "0"]
        assert parked.snapshot() == before

    def test_what_is_dropped_is_still_left_out(self, parked: LuaRun) -> None:
        assert unpark(parked, "drop", 1, "s:1", 2, "s:2") == ["ok", "2"]
        assert self.left(parked) == ([b"1", b"2"], [], [b"s:1", b"s:2"])


def test_no_two_groups_share_a_key() -> None:
    keys = Keys("n", 0)
    names = ["g", "g:due", "g:seats", "g%3Adue"]
    every = [
        key
        for name in names
        for key in (
            *(keys.work(name).stream, keys.work(name).due, keys.work(name).seats),
            *keys.parked(name).all,
        )
    ]
    assert len(set(every)) == len(every)
