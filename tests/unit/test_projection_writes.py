"""Collected writes, rows, and read models in memory: they behave as the server would."""

from __future__ import annotations

import pytest
from support.folding import KEYS

from eventstore.errors import InvalidInput
from eventstore.keys import Keys
from projections.base import Read, Write
from projections.memory import Content, Memory, canonical_score
from projections.registry import PROJECTIONS, projection
from projections.rows import Rows, Wanted
from projections.writes import MAX_ARGUMENTS, Writes


def test_changes_of_one_key_are_one_command_and_the_last_value_wins() -> None:
    writes = Writes()
    writes.set_field("h", "a", 1)
    writes.set_score("z", "m", 1)
    writes.set_field("h", "b", "2")
    writes.set_field("h", "a", 3)
    writes.set_score("z", "m", 5)
    assert writes.result() == [
        Write("HSET", "h", ("a", 3, "b", "2")),
        Write("ZADD", "z", (5, "m")),
    ]


def test_no_changes_are_no_commands() -> None:
    assert Writes().result() == []


@pytest.mark.parametrize("count", [MAX_ARGUMENTS // 2, MAX_ARGUMENTS // 2 + 1, MAX_ARGUMENTS])
def test_a_command_never_has_more_arguments_than_the_script_takes(count: int) -> None:
    writes = Writes()
    for number in range(count):
        writes.set_score("z", f"m{number}", number)
    result = writes.result()
    assert all(len(write.args) <= MAX_ARGUMENTS for write in result)
    assert len(result) == -(-2 * count // MAX_ARGUMENTS)
    assert sum(len(write.args) for write in result) == 2 * count
    assert [write.args[1] for write in result] == [
        f"m{n}" for n in range(0, count, MAX_ARGUMENTS // 2)
    ]


def test_fields_are_asked_for_once_and_together() -> None:
    wanted = Wanted()
    for key, field in [("h", "a"), ("i", "a"), ("h", "b"), ("h", "a")]:
        wanted.add(key, field)
    assert wanted.reads() == [Read("HMGET", "h", ("a", "b")), Read("HMGET", "i", ("a",))]


def test_rows_show_their_own_changes_and_write_only_what_was_put() -> None:
    rows = Rows({Read("HMGET", "h", ("a", "b", "c")): [b'{"n":1}', None, b'{"n":9}']})
    row = rows.get("h", "a")
    assert (row, rows.get("h", "b")) == ({"n": 1}, None)
    assert row is not None
    rows.put("h", "a", row)
    row["n"] = 2
    rows.put("h", "b", {"n": 3})
    assert rows.get("h", "a") == {"n": 2}
    writes = Writes()
    rows.write(writes)
    assert writes.result() == [Write("HSET", "h", ("a", b'{"n":2}', "b", b'{"n":3}'))]


def test_a_row_that_was_not_declared_cannot_be_read() -> None:
    with pytest.raises(KeyError):
        Rows({}).get("h", "a")


def test_memory_answers_reads_as_the_server_does() -> None:
    memory = Memory()
    memory.perform(Write("HSET", "h", ("a", 1, "b", b"\xff")))
    memory.perform(Write("ZADD", "z", ("0.50", "m")))
    assert memory.read(Read("HGET", "h", ("a",))) == b"1"
    assert memory.read(Read("HMGET", "h", ("b", "c"))) == [b"\xff", None]
    assert memory.read(Read("HGETALL", "h")) == [b"a", b"1", b"b", b"\xff"]
    assert memory.read(Read("ZSCORE", "z", ("m",))) == b"0.5"
    assert memory.read(Read("HMGET", "none", ("a", "b"))) == [None, None]
    assert memory.read(Read("HGETALL", "none")) == []
    assert memory.read(Read("ZSCORE", "none", ("m",))) is None


def test_memory_makes_every_write_and_forgets_empty_keys() -> None:
    memory = Memory()
    for write in (
        Write("HINCRBY", "h", ("n", 2)),
        Write("HINCRBY", "h", ("n", -5)),
        Write("ZADD", "z", (1, "a", 2, "b")),
        Write("ZREM", "z", ("a", "none")),
        Write("SET", "s", ("x",)),
        Write("HSET", "gone", ("a", 1, "b", 2)),
        Write("HDEL", "gone", ("a", "b")),
        Write("SET", "unlinked", ("x",)),
        Write("UNLINK", "unlinked"),
        Write("UNLINK", "none"),
        Write("ZREM", "none", ("a",)),
    ):
        memory.perform(write)
    assert memory.keys == {
        "h": Content("hash", {b"n": b"-3"}),
        "z": Content("zset", {b"b": b"2.0"}),
        "s": Content("string", {b"": b"x"}),
    }


def test_memory_refuses_a_command_for_another_type() -> None:
    memory = Memory()
    memory.perform(Write("HSET", "h", ("a", 1)))
    with pytest.raises(ValueError, match="ZADD on a hash at h"):
        memory.perform(Write("ZADD", "h", (1, "a")))
    with pytest.raises(ValueError, match="ZSCORE on a hash at h"):
        memory.read(Read("ZSCORE", "h", ("a",)))


@pytest.mark.parametrize(
    ("one", "other"), [("1", b"1.0"), ("0.5", b"5e-1"), ("1700000000000", b"1.7e12")]
)
def test_equal_scores_are_equal_bytes(one: str, other: bytes) -> None:
    assert canonical_score(one) == canonical_score(other)


def test_projections_are_found_by_name_and_own_their_families() -> None:
    assert [each.name for each in PROJECTIONS] == ["index", "timeline", "branch", "evaluation"]
    assert all(projection(each.name) is each for each in PROJECTIONS)
    with pytest.raises(InvalidInput, match="no 'indx'; there are index, timeline, branch"):
        projection("indx")
    families = [family for each in PROJECTIONS for family in each.families]
    assert len(families) == len(set(families))


def test_a_key_tells_its_family_whatever_the_names_in_it() -> None:
    assert KEYS.family_of(KEYS.tag("a:tag", "x:index")) == "tag"
    assert KEYS.family_of(KEYS.index("artifacts")) == "index"
    assert KEYS.family_of(Keys("test", 0).projection(2).index("s")) is None
    assert KEYS.family_of(Keys("test", 1).projection().index("s")) is None
    assert KEYS.family_of(KEYS.prefix + "s") is None
