"""readd.lua: what it puts back is what append.lua had left, and nothing else is put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
from support.lua_append import MAIN, Event, append, create
from support.lua_readd import Line, lines, readd
from support.lua_run import LuaRun

from eventstore.chain import GENESIS
from eventstore.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

STATE = b"\x81\xa1n\x01"
FORK = {"branch:child": 3}


def sealed(lua: LuaRun, epoch: int = 3) -> None:
    """Make the partition that establish.lua would make."""
    create(lua, epoch)
    lua.set_hash(lua.keys.meta, {"state": "sealed"})


@pytest.fixture
def lost(lua: LuaRun) -> LuaRun:
    """A partition whose log a test has in mind as the journal."""
    partition = LuaRun(lua.client, Keys(f"{lua.keys.namespace}l", 0))
    create(partition)
    append(partition, Event(1), Event(2, lane="tick", kind="session.ticked", type="", state=STATE))
    append(partition, Event(3), session="other")
    append(partition, Event(4, lane="lineage:child", kind="branch.forked", type=""), start=FORK)
    append(partition, Event(5, lane="branch:child"), Event(6), Event(7, type="tool_call"))
    return partition


def journal(lost: LuaRun) -> list[Line]:
    """Return the lines of the partition that `lost` is."""
    found = lines(lost, {2: STATE})
    found[3].opens = ("branch:child", 3)
    return found


def contents(lua: LuaRun) -> dict[str, Any]:
    """Return what a partition holds, but for who may append to it."""
    found = {
        key.decode().removeprefix(lua.keys.prefix): value for key, value in lua.snapshot().items()
    }
    for name in (b"state", b"epoch"):
        del found["meta"][1][name]
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_what_comes_back_is_what_was_lost(lua: LuaRun, lost: LuaRun, size: int) -> None:
    sealed(lua)
    batch = journal(lost)
    after = (0, GENESIS)
    for first in range(0, len(batch), size):
        part = batch[first : first + size]
        assert readd(lua, part, after=after) == ["ok", "0"]
        after = (part[-1].position, part[-1].chain)
    assert contents(lua) == contents(lost)


def test_appends_go_on_from_there(lua: LuaRun, lost: LuaRun) -> None:
    sealed(lua)
    readd(lua, journal(lost))
    lua.set_hash(lua.keys.meta, {"state": "open"})
    more = [Event(8), Event(9, lane="branch:child"), Event(10, lane="tick")]
    assert append(lua, *more) == append(lost, *more)
    # A ref that came back is known.
    assert append(lua, Event(1))[2:] == ["1", "0", "0"]
    assert append(lua, Event(1, digest=8)) == ["ref_conflict", "1"]


def test_the_same_call_again_writes_nothing(lua: LuaRun, lost: LuaRun) -> None:
    sealed(lua)
    batch = journal(lost)
    batch[1].lost = True
    assert readd(lua, batch[:3]) == ["ok", "1"]
    before = lua.snapshot()
    assert readd(lua, batch[:3]) == ["ok", "1"]
    assert readd(lua, batch[:2]) == ["ok", "1"]
    assert lua.snapshot() == before


def test_payloads_are_lost_unless_they_wait_in_their_buffer(lua: LuaRun, lost: LuaRun) -> None:
    sealed(lua)
    batch = journal(lost)[:3]
    for line in batch:
        line.buffer = True
    batch[0].lost = batch[1].lost = True
    lua.client.set(lua.keys.payload(batch[1].ref), b"12345")
    lua.client.set(lua.keys.payload(batch[2].ref), b"123")
    assert readd(lua, batch) == ["ok", "1"]
    assert lua.hash(lua.keys.payload_missing) == {batch[0].ref: "1"}
    assert lua.hash(lua.keys.meta)["payload_bytes"] == "8"


def test_only_a_sealed_partition_takes_events_back(lua: LuaRun, lost: LuaRun) -> None:
    batch = journal(lost)
    assert readd(lua, batch) == ["stale", "", ""]
    create(lua)
    before = lua.snapshot()
    assert readd(lua, batch) == ["stale", "3", "open"]
    assert readd(lua, batch, epoch=4) == ["stale", "3", "open"]
    assert lua.snapshot() == before


@pytest.mark.parametrize("after", [(1, GENESIS), (0, "f" * 16), (2, "f" * 16), (9, GENESIS)])
def test_a_batch_goes_on_where_the_log_ends(
    lua: LuaRun, lost: LuaRun, after: tuple[int, str]
) -> None:
    sealed(lua)
    before = lua.snapshot()
    assert readd(lua, journal(lost)[2:], after=after) == ["moved", "0", GENESIS]
    assert lua.snapshot() == before


def test_the_same_positions_of_another_history_are_not_its_own(lua: LuaRun, lost: LuaRun) -> None:
    sealed(lua)
    lua.set_hash(lua.keys.meta, {"state": "open"})
    append(lua, Event(90), Event(91))
    lua.set_hash(lua.keys.meta, {"state": "sealed"})
    head = lua.hash(lua.keys.meta)["chain"]
    before = lua.snapshot()
    assert readd(lua, journal(lost)[:2]) == ["moved", "2", head]
    assert lua.snapshot() == before


def alter(name: str, value: bytes) -> Callable[[list[Line]], None]:
    """Return a change of the last event of a batch."""

    def change(batch: list[Line]) -> None:
        batch[-1].fields[name] = value

    return change


def open_again(batch: list[Line]) -> None:
    batch[-1].opens = (MAIN, 9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (alter("chain", b"f" * 16), "does not continue the chain"),
        (alter("digest", b"0" * 16), "does not continue the chain"),
        (alter("ref", b"0" * 32), "does not continue the chain"),
        (alter("seq", b"5"), "its session is at seq 4"),
        (alter("idx", b"2"), "its lane is at index 1"),
        (alter("idx", b"x"), "its lane is at index 1"),
        (alter("at", b"noon"), "its time is no number"),
        (alter("at", b"-1"), "its time is no number"),
        (open_again, "opens a lane that is there"),
    ],
)
def test_an_event_that_does_not_fit_stops_its_whole_batch(
    lua: LuaRun, lost: LuaRun, change: Callable[[list[Line]], None], said: str
) -> None:
    sealed(lua)
    batch = journal(lost)[:6]
    change(batch)
    before = lua.snapshot()
    outcome, position, what = readd(lua, batch)
    assert (outcome, position) == ("damaged", "6")
    assert said in what
    assert lua.snapshot() == before


def test_a_ref_that_is_known_stops_the_batch(lua: LuaRun, lost: LuaRun) -> None:
    sealed(lua)
    batch = journal(lost)
    lua.client.hset(lua.keys.refs, bytes.fromhex(batch[4].ref), b"x" * 16)
    before = lua.snapshot()
    assert readd(lua, batch) == ["damaged", "5", "its ref is known already"]
    assert lua.snapshot() == before


def test_a_stream_that_something_else_wrote_to_is_left(lua: LuaRun, lost: LuaRun) -> None:
    sealed(lua)
    lua.client.xadd(lua.keys.stream, {"a": "b"}, id="0-9")
    before = lua.snapshot()
    assert readd(lua, journal(lost)) == ["poisoned", "the stream ends at 0-9, meta at 0-0"]
    lua.client.xdel(lua.keys.stream, "0-9")
    outcome, what = readd(lua, journal(lost))
    assert outcome == "poisoned"
    assert "equal or smaller" in what
    assert lua.client.xlen(lua.keys.stream) == 0
    assert {key for key in lua.snapshot() if key != lua.keys.stream.encode()} == {
        key for key in before if key != lua.keys.stream.encode()
    }


@pytest.mark.parametrize("key", ["refs", "sessions", "session", "log", "missing", "buffer"])
def test_a_key_of_another_type_stops_the_batch(lua: LuaRun, lost: LuaRun, key: str) -> None:
    sealed(lua)
    batch = journal(lost)
    batch[0].buffer = True
    name = {
        "session": lua.keys.session("s"),
        "log": lua.keys.session_log("s"),
        "missing": lua.keys.payload_missing,
        "buffer": lua.keys.payload(batch[0].ref),
    }.get(key) or getattr(lua.keys, key)
    if key in ("refs", "session", "missing"):
        lua.client.rpush(name, "x")
    else:
        lua.client.hset(name, "x", "y")
    before = lua.snapshot()
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        readd(lua, batch)
    assert lua.snapshot() == before


def test_a_call_that_is_not_whole_is_an_error(lua: LuaRun, lost: LuaRun) -> None:
    sealed(lua)
    before = lua.snapshot()
    keys = [lua.keys.meta, lua.keys.stream, lua.keys.refs, lua.keys.sessions]
    keys.append(lua.keys.payload_missing)
    with pytest.raises(redis.ResponseError, match="BADARG"):
        lua.run("readd", keys, [3, 0, GENESIS])
    with pytest.raises(redis.ResponseError, match="BADARG event 1 names a key"):
        lua.run("readd", keys, [3, 0, GENESIS, *["1"] * 23])
    assert lua.snapshot() == before
