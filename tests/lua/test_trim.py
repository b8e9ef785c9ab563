"""trim.lua: the first events leave with all that points at them, or nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
from support.lua_append import Event, append, chain_after
from support.lua_run import LuaRun
from support.lua_trim import GROUPS, checkpoint, filled, trim

from eventstore.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import PrivateServer

A_DAY = 24 * 3600 * 1000


def positions(lua: LuaRun) -> list[int]:
    found: Any = lua.client.xrange(lua.keys.stream)
    return [int(entry_id.partition(b"-")[2]) for entry_id, _ in found]


def refs(lua: LuaRun) -> list[int]:
    found: Any = lua.client.hgetall(lua.keys.refs)
    return sorted(int.from_bytes(value[:8], "big") for value in found.values())


def log_of(lua: LuaRun, session: str) -> list[int]:
    found: Any = lua.client.lrange(lua.keys.session_log(session), 0, -1)
    return [int(position) for position in found]


def test_entries_refs_and_positions_of_sessions_go_together(lua: LuaRun) -> None:
    filled(lua, "a", "b", "a", "a", "b", "c")
    before = lua.snapshot()
    assert trim(lua, 4) == ["ok"]
    assert positions(lua) == [5, 6]
    assert refs(lua) == [5, 6]
    assert [log_of(lua, session) for session in "abc"] == [[], [5], [6]]
    assert lua.hash(lua.keys.meta)["trimmed"] == "4"
    trimmed = {s: lua.hash(lua.keys.session(s)).get("trimmed") for s in "abc"}
    assert trimmed == {"a": "3:4", "b": "1:2", "c": None}
    changed = {key for key, value in lua.snapshot().items() if value != before[key]}
    left = [lua.keys.meta, lua.keys.stream, lua.keys.refs, lua.keys.session_log("b")]
    assert changed == {key.encode() for key in [*left, *map(lua.keys.session, "ab")]}


def test_what_was_trimmed_adds_up(lua: LuaRun) -> None:
    filled(lua, *"abababab")
    assert trim(lua, 3, latest=700) == ["ok"]
    assert trim(lua, 5, latest=600) == ["ok"]
    assert lua.hash(lua.keys.session("a"))["trimmed"] == "3:5"
    meta = lua.hash(lua.keys.meta)
    assert (meta["trimmed"], meta["trimmed_ms"]) == ("5", "700")
    assert trim(lua, 7) == ["ok"]
    assert lua.hash(lua.keys.session("a"))["trimmed"] == "4:7"
    assert positions(lua) == refs(lua) == log_of(lua, "b") == [8]


def test_appends_go_on_where_they_were(lua: LuaRun) -> None:
    filled(lua, *"aaaa")
    trim(lua, 3)
    answer = append(lua, Event(9), session="a", searched=3)
    assert answer[0] == "ok"
    assert answer[2:] == ["5", "4", "4"]
    assert answer[1] == chain_after(*(Event(n) for n in (1, 2, 3, 4, 9)))


def test_a_call_sent_again_is_told_where_the_stream_begins(lua: LuaRun) -> None:
    filled(lua, *"aaaa")
    raw = [bytes.fromhex(Event(n).ref_hex) for n in (1, 2)]
    chain = lua.entry(2)["chain"]
    assert trim(lua, 2) == ["ok"]
    before = lua.snapshot()
    sessions = {"a": [1, 2]}
    lua_again = {"first": 1, "chain": chain, "refs": raw, "sessions": sessions}
    assert again(lua, 2, **lua_again) == ["moved", "3"]
    assert lua.snapshot() == before


def again(lua: LuaRun, last: int, **given: Any) -> list[Any]:
    """Send a call whose entries are gone."""
    keys = lua.keys
    own = [keys.meta, keys.stream, keys.refs, keys.checkpoints]
    own += [keys.session("a"), keys.session_log("a")]
    args = [3, given["first"], last, given["chain"], last + 1, 1, 0, 0, 0, *given["refs"], 2, 2]
    return lua.run("trim", own, args)


@pytest.mark.parametrize("group", [*GROUPS, "subscriber"])
def test_any_group_holds_the_trim_back(lua: LuaRun, group: str) -> None:
    filled(lua, *"aaaaa")
    lua.set_hash(lua.keys.checkpoints, {group: checkpoint(2)})
    before = lua.snapshot()
    assert trim(lua, 3) == ["held", group, "2"]
    assert lua.snapshot() == before
    assert trim(lua, 2) == ["ok"]


def test_of_several_the_one_that_is_furthest_behind_is_named(lua: LuaRun) -> None:
    filled(lua, *"aaaaa", reached=2)
    lua.set_hash(lua.keys.checkpoints, {"x": checkpoint(1), "y": checkpoint(3)})
    assert trim(lua, 4) == ["held", "x", "1"]


def test_a_group_that_never_began_holds_everything_back(lua: LuaRun) -> None:
    filled(lua, *"aaa")
    assert trim(lua, 1, groups=[*GROUPS, "timeline"]) == ["held", "timeline", "0"]


def test_a_checkpoint_beyond_the_log_is_of_another_history_and_counts_for_nothing(
    lua: LuaRun,
) -> None:
    filled(lua, *"aaa")
    lua.set_hash(lua.keys.checkpoints, {"index": checkpoint(9)})
    assert trim(lua, 1) == ["held", "index", "0"]


def test_a_rebuild_in_progress_holds_nothing_back(lua: LuaRun) -> None:
    filled(lua, *"aaa")
    shadows = {"index@g2": checkpoint(0, 2), "index@drop1": checkpoint(0)}
    lua.set_hash(lua.keys.checkpoints, shadows)
    assert trim(lua, 2) == ["ok"]


@pytest.mark.parametrize(("keep", "last"), [(1, 4), (2, 3), (4, 1)])
def test_the_last_events_stay(lua: LuaRun, keep: int, last: int) -> None:
    filled(lua, *"aaaaa")
    if last < 4:
        assert trim(lua, last + 1, keep=keep) == ["kept", str(6 - keep)]
    assert trim(lua, last, keep=keep) == ["ok"]
    assert positions(lua) == list(range(last + 1, 6))


def test_the_very_last_event_always_stays(lua: LuaRun) -> None:
    filled(lua, *"aaa")
    assert trim(lua, 3) == ["kept", "3"]


def test_a_young_event_stays(lua: LuaRun) -> None:
    filled(lua, *"aaa")
    assert trim(lua, 2, age=A_DAY) == ["kept", "2"]
    assert positions(lua) == [1, 2, 3]


def test_only_on_the_verified_instance(lua: LuaRun) -> None:
    filled(lua, *"aaa")
    assert trim(lua, 1, epoch=2) == ["stale", "3", "open"]
    lua.set_hash(lua.keys.meta, {"state": "sealed"})
    assert trim(lua, 1) == ["stale", "3", "sealed"]
    assert positions(lua) == [1, 2, 3]


def test_another_history_is_never_trimmed(lua: LuaRun) -> None:
    filled(lua, *"aaa")
    before = lua.snapshot()
    assert trim(lua, 2, chain="f" * 16) == ["diverged", lua.entry(2)["chain"].decode()]
    assert lua.snapshot() == before


def test_books_that_disagree_are_said_and_left(lua: LuaRun) -> None:
    filled(lua, *"aabaa")
    before = lua.snapshot()
    other = [bytes.fromhex(Event(n).ref_hex) for n in (1, 3)]
    assert trim(lua, 2, refs=other)[:1] == ["poisoned"]
    assert trim(lua, 2, sessions={"b": [3], "a": [1]})[:1] == ["poisoned"]
    assert trim(lua, 2, sessions={"a": [1]})[:1] == ["poisoned"]
    with pytest.raises(redis.ResponseError, match="BADARG"):
        trim(lua, 3, sessions={"a": [1, 2]})
    assert lua.snapshot() == before
    lua.client.xdel(lua.keys.stream, "0-4")
    assert trim(lua, 2)[:1] == ["poisoned"]


@pytest.mark.parametrize(
    "given",
    [{"journalled": 2}, {"journalled": 1}, {"keep": 0}, {"refs": []}],
    ids=["the journal ends there", "the journal ends before", "nothing stays", "refs are missing"],
)
def test_a_call_that_asks_for_too_much_is_an_error(lua: LuaRun, given: dict[str, Any]) -> None:
    filled(lua, *"aaaa")
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError, match="BADARG"):
        trim(lua, 2, **given)
    assert lua.snapshot() == before


def test_a_full_server_is_trimmed(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    with private_server().client() as client:
        lua = LuaRun(client, Keys(namespace, 0))
        filled(lua, *"aaaa")
        client.config_set("maxmemory", 1)
        with pytest.raises(redis.OutOfMemoryError):
            append(lua, Event(9))
        assert trim(lua, 2) == ["ok"]
        assert positions(lua) == [3, 4]
