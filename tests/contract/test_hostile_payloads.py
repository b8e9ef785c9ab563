"""Payloads of any value, on both forms of the bus: kept exactly, or refused before a write."""

from __future__ import annotations

import gzip
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.buses import BusUnderTest
from support.consuming import running, until_caught_up
from support.event_files import exported, load, write_lines
from support.payloads import GROUP, payload_of, with_payloads
from support.stores import make_settings, open_store

from eventstore.errors import InvalidInput, PayloadDamaged
from eventstore.json_values import MAX_DEPTH, MAX_INTEGER_BITS, canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import redis
    from support.server import PrivateServer

LEAST: dict[str, Any] = {"session_id": "s", "agent_id": "a", "type": "state"}
INLINE = 2_000
MOST = 10_000


def nested(levels: int, key: str | None = None) -> Any:
    """Return a value in so many lists, or objects of one key."""
    value: Any = 1
    for _ in range(levels):
        value = [value] if key is None else {key: value}
    return value


KEPT: tuple[Any, ...] = (
    *("", b"", None, [], {}, [[]], {"": ""}, 0, False, "null", b"null", '"', "\x00", b"\x00"),
    *(0.1, -0.0, 5e-324, 1.7976931348623157e308, 1e22, 1e16, 123456789.123456789, 2.0, 1e-7),
    *(2**53 + 1, 2**63, -(2**64), 2**MAX_INTEGER_BITS - 1, -(2**MAX_INTEGER_BITS - 1)),
    *("\r\n\r", "\u2028\u2029\x85\ufeff", "\U0001f389\U0010ffff\uffff", "e\u0301 é", "</script>"),
    {"z": 1, "a": {"b.c": [1.0, 1, True], "\x00": None}, "\U0001f389": "\x7f", "__proto__": []},
    *([0.1, 1 / 3, 1e-320], {"deep": nested(MAX_DEPTH - 1)}, nested(MAX_DEPTH, "k")),
    *("x" * (INLINE + 1), os.urandom(INLINE + 1), {"x": os.urandom(INLINE).hex()}, "é" * 5_000),
    *(b"x" * MOST, bytes(MOST), "\n" * MOST, gzip.compress(b"a payload of gzip itself")),
)


@pytest.fixture(params=["blocking", "asyncio"])
def tested(
    request: pytest.FixtureRequest, server: PrivateServer, namespace: str, tmp_path: Path
) -> Iterator[BusUnderTest]:
    """A bus of either form whose payloads lie in files, and are 10,000 bytes at most."""
    portal = request.getfixturevalue("portal") if request.param == "asyncio" else None
    limits = {"inline_limit": INLINE, "max_payload_bytes": MOST}
    settings = with_payloads(make_settings(server, namespace, **limits), tmp_path / "p")
    under_test = BusUnderTest(settings, portal)
    try:
        yield under_test
    finally:
        under_test.close()


def exact(value: Any) -> Any:
    """Return a value as what tells 1, 1.0 and true apart, and text from bytes."""
    return (type(value), canonical_json(value) if not isinstance(value, bytes) else value)


def test_a_payload_is_the_same_wherever_it_is_read(
    tested: BusUnderTest, server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    wanted = [exact(value) for value in KEPT]
    rows = tested.bus.publish_many([(LEAST, value) for value in KEPT])
    tested.project()
    assert [exact(tested.bus.get(row.ref).payload) for row in rows] == wanted
    assert [exact(row.payload) for row in tested.bus.history("s")] == wanted
    with running(tested.settings, GROUP):
        until_caught_up(tested.store, "payloads")
    assert [exact(payload_of(tested.store, item)) for item in tested.store.read("s")] == wanted
    found = tested.bus.search("s", order="asc", limit=len(KEPT))
    assert [exact(row.payload) for row in found] == wanted
    with open_store(server, f"{namespace}-to", inline_limit=INLINE) as target:
        lines = exported(tested.store)
        load(target, write_lines(tmp_path / "all", lines))
        assert exported(target) == lines


class Key(str):
    """Texts that are other keys than themselves."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def endless() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = [1]
    value.append(value)
    return value


NOT_KEPT: dict[str, tuple[Callable[[], Any], str]] = {
    "NaN": (lambda: [float("nan")], r"payload\[0\]: nan is not a JSON number"),
    "infinity": (lambda: {"k": float("inf")}, r"payload\.k: inf is not a JSON number"),
    "an integer of more bits": (lambda: 2**MAX_INTEGER_BITS, "payload: an integer of 4097 bits"),
    "one without digits": (lambda: [10**5_000], r"payload\[0\]: an integer of 16610 bits"),
    "a lone surrogate": (lambda: "a\ud800", "payload: holds a lone surrogate"),
    "one in an object": (lambda: {"k": ["\udfff"]}, r"payload\.k\[0\]: holds a lone surrogate"),
    "one in a key": (lambda: {"k\ud800": 1}, "payload: holds a lone surrogate"),
    "a number for a key": (lambda: {1: 1}, "payload: the key 1 is not text"),
    "no number for a key": (lambda: {float("nan"): 1}, "payload: the key nan is not text"),
    "a key without digits": (lambda: {10**5_000: 1}, "payload: the key an integer of 16610 bits"),
    "one text as two keys": (
        lambda: {"a": 1, Key("a"): 2},
        "payload: has two keys that are the text",
    ),
    "bytes in a list": (lambda: [b"x"], r"payload\[0\]: bytes is not a JSON value"),
    "a set": (lambda: {1, 2}, "payload: set is not a JSON value"),
    "an object": (object, "payload: object is not a JSON value"),
    "a list in itself": (endless, "payload.*: nested deeper than 256 levels"),
    "257 lists": (lambda: nested(MAX_DEPTH + 1), "payload.*: nested deeper than 256 levels"),
    "257 objects": (lambda: nested(MAX_DEPTH + 1, "k"), "payload.*: nested deeper than 256"),
    "1,000 lists": (lambda: nested(1_000), "payload.*: nested deeper than 256 levels"),
    "1,000 objects": (lambda: nested(1_000, "k"), "payload.*: nested deeper than 256 levels"),
    "100,000 lists": (lambda: nested(100_000), "payload.*: nested deeper than 256 levels"),
    "100,000 objects": (lambda: nested(100_000, "k"), "payload.*: nested deeper than 256 levels"),
    "a byte too many": (lambda: b"x" * (MOST + 1), "payload: has 10001 bytes, more than store.max"),
    "a letter too many": (lambda: "é" * (MOST // 2 + 1), "payload: has 10002 bytes, more than"),
    "JSON that is too long": (lambda: ["x" * (MOST - 3)], "payload: has 10001 bytes, more than"),
}


def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    tested: BusUnderTest, tmp_path: Path
) -> None:
    bus = tested.bus
    ref = bus.publish(LEAST, 1).ref
    large = b"y" * (INLINE + 1)
    with bus.bind(agent_id="a"):
        for make, said in NOT_KEPT.values():
            value = make()
            refused(partial(bus.publish, LEAST, value), said)
            refused(
                partial(bus.publish_many, [(LEAST, large), (LEAST, value)]), rf"items\[1\].{said}"
            )
            refused(partial(bus.amend, ref, payload=value), said)
            refused(partial(bus.create_evaluation_for, ref, evaluator_id="e", payload=value), said)
    assert tested.events == 1
    assert not [path for path in (tmp_path / "p").rglob("*") if path.is_file()]


def refused(call: Callable[[], object], said: str) -> None:
    """Fail unless a call is refused, in a message that is no flood."""
    with pytest.raises(InvalidInput, match=f"^{said}") as error:
        call()
    assert len(str(error.value)) < 2_000


RAW = b"some bytes " * 100
SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "expands to more than the 1,100 bytes": lambda _: gzip.compress(bytes(8_000_000)),
    "more bytes behind the end": lambda data: data + b"\n",
    "bytes behind the end": lambda data: data + gzip.compress(b""),
    "cut off": lambda data: data[:-1],
    "not a gzip stream .*data check": lambda data: data[:-8] + bytes(4) + data[-4:],
    "do not match": lambda _: gzip.compress(RAW[:-1] + b"x"),
    "not a gzip stream": lambda _: RAW,
}


def test_damaged_bytes_are_named_wherever_they_lie(
    server: PrivateServer, namespace: str, tmp_path: Path, redis_client: redis.Redis
) -> None:
    settings = with_payloads(make_settings(server, namespace, compress_above=0), tmp_path / "p")
    tested = BusUnderTest(settings, None)
    try:
        ref = tested.bus.publish(LEAST, RAW).ref
        buffer = tested.store.parts.log.partitions[0].payload(ref)
        whole: Any = redis_client.get(buffer)
        for said, spoil in SPOILT.items():
            redis_client.set(buffer, spoil(whole))
            with pytest.raises(PayloadDamaged, match=f"^buffered payload of {ref}: .*{said}"):
                tested.bus.get(ref)
        redis_client.set(buffer, whole)
        with running(settings, GROUP):
            until_caught_up(tested.store, "payloads")
        (file,) = (tmp_path / "p").rglob(f"{ref}.*")
        for said, spoil in SPOILT.items():
            file.write_bytes(spoil(whole))
            with pytest.raises(PayloadDamaged, match=f"{file.name}: .*{said}"):
                tested.bus.get(ref)
        file.write_bytes(whole)
        assert tested.bus.get(ref).payload == RAW
    finally:
        tested.close()
