"""The call of apply.lua: its layout, and what is too much for one."""

from __future__ import annotations

from eventstore.consuming.apply import MAX_BYTES, MAX_WRITES, Applied, apply_call, fits
from eventstore.keys import Keys
from eventstore.views import START, Checkpoint
from projections.base import Write

KEYS = Keys("n", 3)


def test_each_key_is_declared_once_and_each_write_names_its_own() -> None:
    writes = [
        Write("HSET", "a", ("f", b"\x00", "g", 1)),
        Write("ZADD", "b", (2, "x")),
        Write("UNLINK", "c"),
        Write("HDEL", "a", ("f",)),
    ]
    step = apply_call(KEYS, "index", "token", START, Checkpoint(1, 7, "c" * 16), writes)
    own = (KEYS.lease("index"), KEYS.stream, KEYS.checkpoints, KEYS.progress("index"))
    assert step.keys == (*own, "a", "b", "c")
    head = ("token", "index", "index", "1:0:" + "0" * 16, "1:7:" + "c" * 16, 7, "c" * 16)
    assert step.args == (
        *head,
        *("HSET", 1, 4, "f", b"\x00", "g", 1),
        *("ZADD", 2, 2, 2, "x"),
        *("UNLINK", 3, 0),
        *("HDEL", 1, 1, "f"),
    )
    assert step.parse([b"ok"]) == Applied("ok")
    assert step.parse([b"moved", b"1:2:x"]) == Applied("moved", "1:2:x")


def test_what_one_script_may_make_is_bounded_in_number_and_bytes() -> None:
    one = Write("HSET", "a", ("f", 1))
    assert fits([one] * MAX_WRITES)
    assert not fits([one] * (MAX_WRITES + 1))
    half = Write("HSET", "a", ("f" * (MAX_BYTES // 2 - 1), b"v"))
    assert fits([half, half])
    assert not fits([half, half, one])
