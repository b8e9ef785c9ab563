"""`log verify`: a whole log is whole, and the first entry that is not is named.

The server refuses nothing that is tampered with here; entries are altered by writing the stream
anew under its name, as an operator with a restored or edited copy could.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from support.stores import open_store
from support.stories import tell

from consumers.checking.log_verify import LogVerified, verify_log
from eventstore.chain import link
from eventstore.errors import ChainBroken, UndecodableEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.store import EventStore

Entries = list[dict[bytes, bytes]]
POSITION = 4


@pytest.fixture
def store(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    """A store with two sessions that fork and rewind."""
    with open_store(server, namespace) as store:
        tell(store, "s")
        tell(store, "t")
        yield store


def verify(store: EventStore, partition: int = 0) -> LogVerified:
    return store.reading(lambda: verify_log(store.parts.log, partition))


def rewrite(store: EventStore, client: redis.Redis, change: Callable[[Entries], object]) -> None:
    """Replace the stream by a changed copy with dense positions from 1."""
    stream = store.parts.log.partitions[0].stream
    found = client.execute_command("XRANGE", stream, "-", "+")
    entries: Entries = [dict(fields) for _, fields in found]
    change(entries)
    client.unlink(stream)
    for position, fields in enumerate(entries, start=1):
        parts = [part for pair in fields.items() for part in pair]
        client.execute_command("XADD", stream, f"0-{position}", *parts)


def alter(field: str, value: bytes) -> Callable[[Entries], object]:
    return lambda entries: entries[POSITION - 1].update({field.encode(): value})


def alter_header(entries: Entries) -> None:
    fields = entries[POSITION - 1]
    header = msgspec.msgpack.decode(fields[b"header"])
    header["payload"]["sha256"] = "0" * 64
    fields[b"header"] = msgspec.msgpack.encode(header)


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_log_as_appended_is_whole(server: PrivateServer, namespace: str, partitions: int) -> None:
    with open_store(server, namespace, partitions) as store:
        for session in ("a", "b", "c", "d", "e"):
            tell(store, session)
        reports = [verify(store, partition) for partition in range(partitions)]
        heads = store.head()
        assert [(r.position, r.chain) for r in reports] == [(h.position, h.chain) for h in heads]
        assert sum(report.sessions for report in reports) == 5


def test_lanes_are_counted_with_those_that_a_fork_opened(store: EventStore) -> None:
    # main, b:1, lineage of both, evaluation: of two sessions.
    assert verify(store).lanes == 2 * 5


def test_an_empty_log_is_whole(server: PrivateServer, namespace: str) -> None:
    with open_store(server, namespace) as store:
        assert verify(store) == LogVerified(0, 0, "0" * 16, 0, 0)


def test_a_log_longer_than_a_page_is_walked_whole(server: PrivateServer, namespace: str) -> None:
    with open_store(server, namespace) as store:
        tell(store, "s", steps=1200)
        assert verify(store).position == store.head()[0].position > 1200


@pytest.mark.parametrize(
    ("what", "change", "message"),
    [
        ("agent", alter("agent", b"somebody"), "its content has the digest"),
        ("session", alter("session", b"another"), "its content has the digest"),
        ("branch", alter("branch", b"another"), "its content has the digest"),
        ("type", alter("type", b"metrics"), "its content has the digest"),
        ("kind", alter("kind", b"session.closed"), "its content has the digest"),
        ("header", alter_header, "its content has the digest"),
        ("digest", alter("digest", b"0" * 16), "its content has the digest"),
        ("ref", alter("ref", b"0" * 32), "does not continue"),
        ("chain", alter("chain", b"0" * 16), "does not continue"),
        ("seq", alter("seq", b"9"), "is event 9 of session 's', 3 was due"),
        ("index", alter("idx", b"9"), "has index 9 in 'branch:main', 3 was due"),
        ("damaged header", alter("header", b"\xc1"), "cannot be read"),
        ("header of another shape", alter("header", b"\x90"), "cannot be read"),
        ("version", alter("v", b"x"), "cannot be read"),
        ("no field at all", lambda entries: entries[POSITION - 1].pop(b"lane"), "cannot be read"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_an_altered_entry_is_named(
    store: EventStore,
    redis_client: redis.Redis,
    what: str,
    change: Callable[[Entries], object],
    message: str,
) -> None:
    rewrite(store, redis_client, change)
    with pytest.raises(ChainBroken, match=message) as caught:
        verify(store)
    assert (caught.value.partition, caught.value.position) == (0, POSITION), what


@pytest.mark.parametrize("field", ["seq", "idx", "at"])
def test_a_number_that_is_none_is_named_with_its_position(
    store: EventStore, redis_client: redis.Redis, field: str
) -> None:
    rewrite(store, redis_client, alter(field, b"x"))
    with pytest.raises(UndecodableEvent, match=f"position {POSITION}"):
        verify(store)


def test_an_entry_that_was_cut_out_is_missed(store: EventStore, redis_client: redis.Redis) -> None:
    """Positions are made dense again, so the chain alone shows it."""
    rewrite(store, redis_client, lambda entries: entries.pop(POSITION - 1))
    with pytest.raises(ChainBroken, match="does not continue") as caught:
        verify(store)
    assert caught.value.position == POSITION


def test_a_deleted_entry_is_missed(store: EventStore, redis_client: redis.Redis) -> None:
    redis_client.xdel(store.parts.log.partitions[0].stream, f"0-{POSITION}")
    with pytest.raises(ChainBroken, match=r"is gone, 0-5 follows.*`eventstore restore`") as caught:
        verify(store)
    assert caught.value.position == POSITION


def test_a_lost_tail_is_missed(store: EventStore, redis_client: redis.Redis) -> None:
    head = store.head()[0].position
    redis_client.xdel(store.parts.log.partitions[0].stream, f"0-{head}", f"0-{head - 1}")
    with pytest.raises(ChainBroken, match=f"is gone, the head is {head}") as caught:
        verify(store)
    assert caught.value.position == head - 1


def test_a_tail_chained_anew_does_not_lead_to_the_head(
    store: EventStore, redis_client: redis.Redis
) -> None:
    def forge(entries: Entries) -> None:
        """Swap the last entry's ref, and chain it as if it had been appended so."""
        last = entries[-1]
        last[b"ref"] = b"0" * 32
        chain = link(entries[-2][b"chain"].decode(), "0" * 32, last[b"digest"].decode())
        last[b"chain"] = chain.encode()

    rewrite(store, redis_client, forge)
    with pytest.raises(ChainBroken, match="the chain ends in") as caught:
        verify(store)
    assert caught.value.position == store.head()[0].position


@pytest.mark.parametrize("entry", ["*", "0-100000"])
def test_a_foreign_entry_behind_the_head_is_reported(
    store: EventStore, redis_client: redis.Redis, entry: str
) -> None:
    redis_client.xadd(store.parts.log.partitions[0].stream, {"x": "y"}, id=entry)
    with pytest.raises(ChainBroken, match="something else wrote the entry") as caught:
        verify(store)
    assert caught.value.position == store.head()[0].position + 1
