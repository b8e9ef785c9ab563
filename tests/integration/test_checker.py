"""The independent checker accepts a sound store and finds each kind of damage in a copy of it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from support import checker_copy as damage
from support.checker import Acknowledged, Forked
from support.checker_copy import SESSION, Copy, view
from support.checker_sample import add_unapplied, copy_sample, make_sample, remove_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.checker_copy import Damage
    from support.checker_sample import Sample
    from support.server import PrivateServer

PLAIN = f"artifacts/{SESSION}/payloads/*.json"
ZIPPED = f"artifacts/{SESSION}/payloads/*.json.gz"
DIGEST = "payloads/*.txt.gz"
OTHER_REF = "0" * 32


def squeezed(data: bytes) -> bytes:
    """Return another payload of the same length, compressed."""
    return gzip.compress(gzip.decompress(data)[::-1], mtime=0)


def other_refs(data: bytes) -> bytes:
    """Return a segment whose events have other refs."""
    return gzip.compress(gzip.decompress(data).replace(b'"ref":"0', b'"ref":"f'))


LOG: dict[str, tuple[Damage, str]] = {
    "an event is gone": (damage.entry_gone(3), "entry 0-5 where 0-4 is due"),
    "the last event is gone": (damage.entry_gone(-1), "meta: 'head'"),
    "an acknowledged event is gone": (damage.entry_gone(0), "is there 0 times"),
    "an event is there twice": (damage.last_entry_twice, "is there twice"),
    "content was changed": (damage.entry_header(0, {"mime": "x/y"}), "does not have digest"),
    "an agent was changed": (damage.entry_field(0, "agent", "x"), "does not have digest"),
    "a type was changed": (damage.entry_field(0, "type", "x"), "does not have digest"),
    "a digest was changed": (damage.entry_field(2, "digest", "0" * 16), "computed"),
    "a link was changed": (damage.entry_field(2, "chain", "0" * 16), "computed"),
    "a ref was changed": (damage.entry_field(1, "ref", OTHER_REF), "refs: "),
    "a seq was changed": (damage.entry_field(1, "seq", "9"), "seq 9 for 1"),
    "an index was changed": (damage.entry_field(1, "idx", "9"), "index 9 for 1"),
    "a lane was changed": (damage.entry_field(1, "lane", "tick"), "in lane 'tick'"),
    "a session was changed": (damage.entry_field(0, "session", "q"), "should not be there"),
    "a header is damaged": (damage.entry_field(0, "header", "\x00\x00"), "cannot be read"),
    "a number is damaged": (damage.entry_field(0, "seq", "one"), "cannot be read"),
}
ACKNOWLEDGED: dict[str, tuple[Damage, str]] = {
    "another ref": (damage.told(0, ref=OTHER_REF), "is there 0 times"),
    "another session": (damage.told(0, session_id="x"), "acknowledged as"),
    "another position": (damage.told(0, position=99), "acknowledged as"),
    "another seq": (damage.told(0, seq=99), "acknowledged as"),
    "another step": (damage.told(0, step_idx=99), "acknowledged as"),
    "another payload": (damage.told(0, sha256="0" * 64), "acknowledged as"),
    "an event that is not there": (
        lambda s: s.sample.acknowledged.append(Acknowledged(OTHER_REF, SESSION, 1, 1, 1, "")),
        "is there 0 times",
    ),
    "a branch that is not there": (
        lambda s: s.sample.forked.append(Forked(SESSION, "none", "main", 0)),
        "is there 0 times",
    ),
}
BOOKS: dict[str, tuple[Damage, str]] = {
    "a ref is gone": (damage.field_gone("refs"), "refs: "),
    "a ref too many": (damage.field_set("refs", "x" * 16, "y" * 16), "should not be there"),
    "seq is off": (damage.field_set(f"session:{SESSION}", "seq", "1"), "'seq' is b'1'"),
    "a lane is off": (damage.field_set(f"session:{SESSION}", "next:branch:main", "1"), "'next:"),
    "a lane's head is off": (damage.field_set(f"session:{SESSION}", "head:tick", "1:"), "'head:"),
    "a session is gone": (damage.key_gone(f"session:{SESSION}"), "is missing"),
    "a session's log is cut": (lambda s: s.redis.lpop(s.key(f"session:{SESSION}:log")), ":log is"),
    "a session is not listed": (damage.member_gone("sessions"), "sessions: "),
    "a session has another time": (damage.member_moved("sessions"), "sessions: "),
    "the head is off": (damage.field_set("meta", "head", "1"), "meta: 'head' is '1'"),
    "the chain is off": (damage.field_set("meta", "chain", "0" * 16), "meta: 'chain'"),
    "the state is off": (damage.field_set("meta", "state", "sealed"), "meta: 'state'"),
    "partitions are off": (damage.field_set("meta", "partitions", "3"), "meta: 'partitions'"),
    "a count is off": (damage.field_set("meta", "count:state", "1"), "meta: 'count:state'"),
    "waiting bytes are off": (damage.field_set("meta", "payload_bytes", "1"), "'payload_bytes'"),
    "stored bytes are off": (damage.field_set("meta", "stored:file", "1"), "'stored:file'"),
    "a stranger": (lambda s: s.redis.set(s.key("x"), "1"), "key x should not be there"),
    "another store": (damage.field_set("meta", "uuid", "x"), "partitions of several stores"),
    "another partition": (
        lambda s: s.redis.set("{" + s.sample.store.namespace + ":7}:meta", "1"),
        "of no partition",
    ),
}
VIEWS: dict[str, tuple[Damage, str]] = {
    "a lean header is gone": (damage.field_gone(view("index")), "is missing"),
    "a lean header is off": (damage.row_changed(view("index"), {"type": "x"}), ":index: "),
    "a header is off": (damage.row_changed(view("headers"), {"position": 7}), ":headers: "),
    "a header too many": (damage.field_set(view("headers"), OTHER_REF, "{}"), "should not be"),
    "a time is off": (damage.member_moved(view("timeline")), ":timeline: "),
    "a row is gone": (damage.member_gone(view("timeline")), ":timeline: "),
    "a tag is gone": (damage.key_gone(view("tag:b%3Ac")), "is missing"),
    "a type is gone": (damage.key_gone(view("type:tool_call")), "is missing"),
    "an agent is gone": (damage.key_gone(view("agent:second")), "is missing"),
    "a branch's times are gone": (damage.key_gone(view("on:kid")), "is missing"),
    "a tag too many": (lambda s: s.redis.zadd(s.key(view("tag:x")), {"y": 1}), "should not be"),
    "a step is off": (damage.member_moved(view("branch:main")), ":branch:main: "),
    "a step is gone": (damage.member_gone(view("branch:kid")), ":branch:kid"),
    "a branch is off": (damage.row_changed(view("branches"), {"head": 0}), ":branches: "),
    "a lineage is off": (damage.row_changed(view("branches"), {"own": 9}), ":branches: "),
    "a state is off": (damage.row_changed(view("evaluations"), {"status": "x"}), ":evaluations: "),
    "a settled one is open": (damage.row_changed(view("evaluations"), {"score": 9}), "'score'"),
    "a score is off": (damage.row_changed(view("scores"), {"count": 9}), ":scores: "),
    "a mean is off": (damage.member_moved(view("leaderboard")), ":leaderboard: "),
    "another generation": (
        lambda s: s.redis.hset(s.key("g2:" + view("index")), "x", "{}"),
        "should not be there",
    ),
}
GROUPS: dict[str, tuple[Damage, str]] = {
    "the index is behind": (damage.behind("index"), "index is at"),
    "payloads are behind": (damage.behind("payloads"), "payloads is at"),
    "a checkpoint is gone": (damage.field_gone("checkpoints"), "is at 0 of"),
    "a checkpoint is ahead": (damage.field_set("checkpoints", "index", "1:999:x"), "at 999 of"),
    "a chain is off": (damage.field_set("checkpoints", "branch", "1:3:x"), "another chain at 3"),
    "a group too many": (damage.field_set("checkpoints", "x", "1:1:x"), "which is no group"),
    "a progress is gone": (damage.key_gone("progress:timeline"), "is missing"),
    "a progress is off": (
        lambda s: s.redis.xadd(s.key("progress:timeline"), {"at": "999"}, id="0-999"),
        "progress:timeline is",
    ),
}
PAYLOADS: dict[str, tuple[Damage, str]] = {
    "a file is gone": (damage.file_changed(PLAIN, lambda _: None), "there is no file"),
    "a file is cut": (damage.file_changed(PLAIN, lambda data: data[:-1]), "the log says"),
    "a file is other JSON": (damage.file_changed(PLAIN, lambda data: b"1" * len(data)), "sha256"),
    "a gzip is cut": (damage.file_changed(ZIPPED, lambda data: data[:-9]), "cannot be read"),
    "a gzip holds other bytes": (damage.file_changed(ZIPPED, squeezed), "cannot be read"),
    "a large one is gone": (damage.file_changed(DIGEST, lambda _: None), "there is no file"),
    "a large one is other text": (damage.file_changed(DIGEST, squeezed), "not the payload"),
    "a stranger": (damage.file_added("artifacts/x.json", b"1"), "belongs to no event"),
    "a digest that lies": (
        damage.file_added(f"payloads/sha256-{'0' * 64}.json", b"1"),
        "does not hold what it is named for",
    ),
    "the store's mark is gone": (
        damage.file_changed("stores/*", lambda _: None),
        "there is no mark",
    ),
    "another store's mark": (damage.file_added("stores/x", b""), "belongs to no event"),
    "a buffer is left over": (
        lambda s: s.redis.set(s.key("payload:" + s.sample.acknowledged[0].ref), "x"),
        "is left over",
    ),
    "a digest is not counted": (damage.field_gone("payload:digests"), "payload:digests"),
    "a digest has another position": (
        damage.digest_at_another_position,
        "payload:digests: ",
    ),
}
SEGMENT = "journal/*/*/*.gz"
JOURNAL: dict[str, tuple[Damage, str]] = {
    "a segment is gone": (damage.file_changed(SEGMENT, lambda _: None), "is missing"),
    "a segment has another event": (
        damage.file_changed(SEGMENT, other_refs),
        "the journal has another event there",
    ),
    "a journal of nobody": (damage.file_added("journal/x", b""), "belongs to no event"),
}
DAMAGES = {
    f"{family}: {name}": case
    for family, cases in {
        "log": LOG,
        "acknowledged": ACKNOWLEDGED,
        "books": BOOKS,
        "views": VIEWS,
        "groups": GROUPS,
        "payloads": PAYLOADS,
        "journal": JOURNAL,
    }.items()
    for name, case in cases.items()
}


@pytest.fixture(scope="module")
def sound(server: PrivateServer) -> Iterator[Sample]:
    sample = make_sample(server, "checker-sample")
    yield sample
    remove_sample(sample)
    sample.store.client.close()


@pytest.fixture
def store(sound: Sample, namespace: str) -> Iterator[Copy]:
    copied = copy_sample(sound, namespace)
    yield Copy(copied)
    remove_sample(copied)


def test_a_sound_store_has_no_problems(store: Copy) -> None:
    assert store.problems() == []


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found(store: Copy, name: str) -> None:
    spoil, said = DAMAGES[name]
    spoil(store)
    problems = store.problems()
    assert any(said in problem for problem in problems), problems


def test_what_no_group_has_come_to_is_sound_where_that_is_allowed(
    server: PrivateServer, store: Copy
) -> None:
    add_unapplied(server, store.sample)
    assert store.problems(caught_up=False) == []
    late = len(store.entries())
    behind = [problem.partition(": ")[2] for problem in store.problems()]
    assert behind == [
        f"{group} is at {late - 1} of {late}"
        for group in ("index", "timeline", "branch", "evaluation", "payloads", "journal")
    ]
    store.redis.unlink(store.key("payload:" + store.sample.acknowledged[-1].ref))
    assert any("is in no buffer" in problem for problem in store.problems(caught_up=False))
