"""docs/format.md says what a server holds after two appends; this is what one holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from support import golden
from support.format_page import block, pairs
from support.stores import open_store

from eventstore.events import branch_lane, lineage_lane

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.keys import Keys

FIELDS: Final = (
    *("kind", "v", "ref", "session", "agent", "branch", "type", "lane", "idx", "seq"),
    *("ts", "at", "header", "digest", "chain"),
)


@pytest.fixture
def keys(server: PrivateServer, namespace: str) -> Iterator[Keys]:
    """The keys of a new partition that holds the page's example."""
    with open_store(server, namespace) as store:
        store.append("s:1", [golden.artifact()])
        store.append(
            "s:1",
            [golden.fork()],
            expect={lineage_lane("main"): 0, lineage_lane("warmer"): 0},
            start={branch_lane("warmer"): 1},
        )
        yield store.parts.log.keys_of("s:1")


def raw(text: str) -> bytes:
    """Return the bytes that a value on the page stands for."""
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()


def test_entries(keys: Keys, redis_client: redis.Redis) -> None:
    # As the server sends them: the client's dict would hide the order of the fields.
    redis_client.response_callbacks.pop("XRANGE", None)
    found: Any = redis_client.execute_command("XRANGE", keys.stream, "-", "+")
    assert [entry_id for entry_id, _ in found] == [b"0-1", b"0-2"]
    for entry_id, values in found:
        assert tuple(name.decode() for name in values[::2]) == FIELDS
        fields = dict(zip(FIELDS, values[1::2], strict=True))
        assert int(fields.pop("at")) > 1_700_000_000_000
        written = pairs(f"entry {entry_id.decode()}")
        assert fields == {name: raw(value) for name, value in written.items()}
        assert tuple(written) == tuple(name for name in FIELDS if name != "at")


def test_refs(keys: Keys, redis_client: redis.Redis) -> None:
    written = {raw(ref): raw(value) for ref, value in pairs("bytes refs").items()}
    assert redis_client.hgetall(keys.refs) == written


def test_session(keys: Keys, redis_client: redis.Redis) -> None:
    assert keys.session("s:1").endswith("session:s%3A1")
    written = {name.encode(): raw(value) for name, value in pairs("bytes session:s%3A1").items()}
    assert redis_client.hgetall(keys.session("s:1")) == written
    assert redis_client.lrange(keys.session_log("s:1"), 0, -1) == [b"1", b"2"]
    assert redis_client.zrange(keys.sessions, 0, -1) == [b"s:1"]


def test_meta_and_payload(keys: Keys, redis_client: redis.Redis) -> None:
    (line,) = block("payload")
    assert redis_client.get(keys.payload(golden.ARTIFACT_REF)) == line.encode()
    stored: Any = redis_client.hgetall(keys.meta)
    found = {name.decode(): value.decode() for name, value in stored.items()}
    identity = redis_client.info("server"), redis_client.info("replication")
    uuid = found.pop("uuid")
    assert len(bytes.fromhex(uuid)) == 16
    created = int(found.pop("epoch")) / 1000
    assert abs(created - time.time()) < 3600
    assert found == {
        "partitions": "1",
        "format": "1",
        "state": "open",
        "run_id": identity[0]["run_id"],
        "replid": identity[1]["master_replid"],
        "head": "2",
        "chain": pairs("entry 0-2")["chain"],
        "payload_bytes": str(len(line)),
        "count:tool_call": "1",
        "count:branch.forked": "1",
    }
