"""append.lua: what an append answers and leaves in every key, and what it declines."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from support.lua_append import FIELDS, LIMIT, MAIN, Event, append, chain_after, create

if TYPE_CHECKING:
    from support.lua_run import LuaRun


def test_a_batch_is_numbered_and_chained(lua: LuaRun) -> None:
    create(lua)
    events = [Event(1), Event(2, lane="tick"), Event(3)]
    reply = append(lua, *events)
    chain = chain_after(*events)
    assert reply == ["ok", chain, "1", "0", "0", "2", "1", "0", "3", "2", "1"]
    assert lua.client.xlen(lua.keys.stream) == 3
    more = append(lua, Event(4), session="other")
    assert more == ["ok", chain_after(Event(4), before=chain), "4", "0", "0"]
    assert append(lua, Event(5))[2:] == ["5", "3", "2"]


def test_every_key_says_what_was_appended(lua: LuaRun) -> None:
    create(lua)
    events = [
        Event(1, payload=b"12345"),
        Event(2, lane="tick", kind="session.ticked", type="", state=b"\x81"),
    ]
    append(lua, *events)
    keys, chain = lua.keys, chain_after(*events)
    entry = lua.entry(1)
    at = entry.pop("at")
    assert " ".join(lua.entry(2)) == FIELDS
    assert entry == {
        "kind": b"artifact.published",
        "v": b"1",
        "ref": events[0].ref_hex.encode(),
        "session": b"s",
        "agent": b"agent",
        "branch": b"main",
        "type": b"state",
        "lane": MAIN.encode(),
        "idx": b"0",
        "seq": b"0",
        "ts": b"2026-01-01T00:00:00.000Z",
        "header": b"\x80",
        "digest": events[0].digest_hex.encode(),
        "chain": chain_after(events[0]).encode(),
    }
    assert lua.client.hgetall(keys.refs) == {
        bytes.fromhex(event.ref_hex): struct.pack(">QQ", position, event.digest)
        for position, event in enumerate(events, 1)
    }
    assert lua.client.zrange(keys.sessions, 0, -1, withscores=True) == [(b"s", float(at))]
    assert lua.client.lrange(keys.session_log("s"), 0, -1) == [b"1", b"2"]
    assert lua.client.hgetall(keys.session("s")) == {
        b"seq": b"2",
        b"next:branch:main": b"1",
        b"next:tick": b"1",
        b"head:tick": b"2:\x81",
    }
    assert lua.client.get(keys.payload(events[0].ref_hex)) == b"12345"
    assert lua.hash(keys.meta) == {
        "epoch": "3",
        "state": "open",
        "head": "2",
        "chain": chain,
        "payload_bytes": "5",
        "count:state": "1",
        "count:session.ticked": "1",
    }


def test_the_same_call_again_gives_the_same_answer_and_writes_nothing(lua: LuaRun) -> None:
    create(lua)
    events = [Event(1, payload=b"x"), Event(2)]
    first = append(lua, *events, expect={MAIN: 0})
    append(lua, Event(3))
    before = lua.snapshot()
    same = ["known", *first[1:]]
    assert append(lua, *events, expect={MAIN: 0}) == same
    assert append(lua, *events, start={MAIN: 9}, limit=0) == same
    assert lua.snapshot() == before


def test_a_known_event_that_was_trimmed_keeps_its_position(lua: LuaRun) -> None:
    create(lua)
    append(lua, Event(1), Event(2))
    lua.client.xtrim(lua.keys.stream, minid="0-2", approximate=False)
    assert append(lua, Event(1)) == ["known", "", "1", "", ""]


def test_a_known_ref_with_other_content_is_refused(lua: LuaRun) -> None:
    create(lua)
    append(lua, Event(1), Event(2))
    before = lua.snapshot()
    changed = [Event(9), Event(2, digest=8), Event(1), Event(1, digest=9)]
    assert append(lua, *changed) == ["ref_conflict", "2", "4"]
    assert lua.snapshot() == before


def test_a_batch_of_known_and_new_events_is_told_apart(lua: LuaRun) -> None:
    create(lua)
    append(lua, Event(1), Event(2))
    before = lua.snapshot()
    assert append(lua, Event(8), Event(2), Event(1)) == ["overlap", "2", "3"]
    assert lua.snapshot() == before


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({MAIN: 1}, [MAIN, "1", "2"]),
        ({MAIN: 0}, [MAIN, "0", "2"]),
        ({MAIN: 2, "agents": 1}, ["agents", "1", "0"]),
        ({"lineage:main": 3}, ["lineage:main", "3", "0"]),
        ({MAIN: 2, "seq": 1}, ["seq", "1", "2"]),
    ],
)
def test_a_lane_that_moved_is_a_conflict(
    lua: LuaRun, expect: dict[str, int], said: list[str]
) -> None:
    create(lua)
    append(lua, Event(1), Event(2))
    before = lua.snapshot()
    assert append(lua, Event(3, lane="tick"), expect=expect) == ["conflict", *said]
    assert lua.snapshot() == before


def test_lanes_that_stand_as_expected_let_the_append_pass(lua: LuaRun) -> None:
    create(lua)
    append(lua, Event(1), Event(2))
    assert append(lua, Event(3, lane="tick"), expect={MAIN: 2, "tick": 0})[0] == "ok"
    assert append(lua, Event(4, lane="tick"), expect={"seq": 3})[0] == "ok"
    assert append(lua, Event(5), session="new", expect={"seq": 0})[0] == "ok"
    assert "next:seq" not in lua.hash(lua.keys.session("s"))


def test_a_lane_starts_where_it_is_told_and_only_once(lua: LuaRun) -> None:
    create(lua)
    reply = append(
        lua, Event(1, lane="lineage:b"), Event(2, lane="branch:b"), start={"branch:b": 5}
    )
    assert reply[2:] == ["1", "0", "0", "2", "1", "5"]
    assert lua.hash(lua.keys.session("s"))["next:branch:b"] == "6"
    before = lua.snapshot()
    again = append(lua, Event(3), start={"branch:b": 9})
    assert again == ["conflict", "branch:b", "0", "6"]
    assert lua.snapshot() == before


def test_a_lane_may_start_without_an_event(lua: LuaRun) -> None:
    create(lua)
    append(lua, Event(1, lane="lineage:b"), start={"branch:b": 5})
    assert append(lua, Event(2, lane="branch:b"))[2:] == ["2", "1", "5"]


def test_payloads_wait_up_to_the_limit(lua: LuaRun) -> None:
    create(lua)
    assert append(lua, Event(1, payload=b"x" * 990))[0] == "ok"
    before = lua.snapshot()
    full = append(lua, Event(2), Event(3, payload=b"x" * 11))
    assert full == ["backpressure", "990", str(LIMIT)]
    assert lua.snapshot() == before
    assert append(lua, Event(2), Event(3, payload=b"x" * 10))[0] == "ok"
    assert append(lua, Event(4), limit=0)[0] == "ok"
    assert lua.hash(lua.keys.meta)["payload_bytes"] == "1000"


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({}, ["", ""]),
        ({"epoch": 4, "state": "open"}, ["4", "open"]),
        ({"epoch": 3, "state": "sealed"}, ["3", "sealed"]),
    ],
)
def test_an_unverified_server_takes_no_append(
    lua: LuaRun, meta: dict[str, int | str], said: list[str]
) -> None:
    if meta:
        create(lua)
        lua.set_hash(lua.keys.meta, meta)
    before = lua.snapshot()
    assert append(lua, Event(1)) == ["stale", *said]
    assert lua.snapshot() == before


def test_a_full_batch_with_a_lane_and_a_state_each_is_taken(lua: LuaRun) -> None:
    create(lua)
    events = [Event(n, lane=f"l{n}", state=b"\x80", payload=b"x") for n in range(1, 501)]
    expect = {f"e{n}": 0 for n in range(500)}
    start = {f"l{n}": n for n in range(1, 501)}
    reply = append(lua, *events, expect=expect, start=start)
    assert reply[:2] == ["ok", chain_after(*events)]
    assert reply[-3:] == ["500", "499", "500"]
    assert lua.client.hlen(lua.keys.session("s")) == 1001


def ref_at(milliseconds: int, version: int = 7) -> int:
    """Return a ref of a version that says so many milliseconds."""
    return milliseconds << 80 | version << 76 | 0b10 << 62 | 5


class TestTrimmedRefs:
    """Refs are trimmed with their events; what may be one of them is looked for first."""

    def test_a_ref_that_may_be_one_of_them_is_asked_for(self, lua: LuaRun) -> None:
        create(lua)
        append(lua, Event(1))
        lua.set_hash(lua.keys.meta, {"trimmed": 90, "trimmed_ms": 1000})
        before = lua.snapshot()
        for ref in (5, ref_at(1000), ref_at(999), ref_at(2000, version=8), ref_at(2000, version=6)):
            assert append(lua, Event(ref), searched=89) == ["trimmed", "90"]
            assert append(lua, Event(ref_at(1001)), Event(ref)) == ["trimmed", "90"]
        assert lua.snapshot() == before
        assert append(lua, Event(5), searched=90)[0] == "ok"

    def test_one_that_is_later_than_theirs_is_not(self, lua: LuaRun) -> None:
        create(lua)
        append(lua, Event(1))
        lua.set_hash(lua.keys.meta, {"trimmed": 90, "trimmed_ms": 1000})
        assert append(lua, Event(ref_at(1001)))[0] == "ok"

    def test_it_is_asked_for_before_any_expectation_or_overlap(self, lua: LuaRun) -> None:
        create(lua)
        append(lua, Event(1))
        lua.set_hash(lua.keys.meta, {"trimmed": 90, "trimmed_ms": 1000})
        assert append(lua, Event(5), expect={MAIN: 9}) == ["trimmed", "90"]
        assert append(lua, Event(1), Event(5)) == ["trimmed", "90"]
        assert append(lua, Event(1), Event(5), searched=90) == ["overlap", "1"]
