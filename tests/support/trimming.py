"""Trimming under test: journals of any extent, groups anywhere, and what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.trimming.trim import Trimmed, Trimmer
from consumers.working.groups import known_groups
from eventstore import commands
from eventstore.chain import GENESIS
from eventstore.flow import call
from eventstore.journal import START, End, Journal
from eventstore.journal_format import field
from eventstore.retention import Rule
from eventstore.views import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import redis

    from eventstore.keys import Keys
    from eventstore.store import EventStore

GROUPS = tuple(known_groups())


def keep(events: int | None = None, seconds: float | None = None) -> Rule:
    """Return a rule; without either all events are kept."""
    active = events is not None or seconds is not None
    return Rule(events or 1, int((seconds or 0) * 1000), active)


def trim(
    store: EventStore, rule: Rule, *, partition: int = 0, most: int | None = None, least: int = 1
) -> Trimmed:
    """Trim a partition of a store."""
    log = store.parts.log
    trimmer = Trimmer(log, store.parts.payloads, rule, GROUPS)
    keys = log.partitions[partition]
    return store.reading(lambda: trimmer.trim(keys, most, least))


def stream(store: EventStore, first: int = 1, partition: int = 0) -> list[Any]:
    """Return the raw entries that the server holds."""
    keys = store.parts.log.partitions[partition]
    return store.reading(lambda: call(commands.entries(keys, first, None, 100_000)))


def write_journal(store: EventStore, ends: Iterable[int], partition: int = 0) -> None:
    """Write entries of the server to the journal, as segments that end at these positions."""
    journal = Journal(store.parts.payloads, store.open().uuid)
    for last in ends:
        end = journal.end(partition)
        entries = [e for e in stream(store, end.position + 1, partition) if _position(e) <= last]
        if entries:
            journal.extend(partition, end, entries)


def write_overlapping(store: EventStore, first: int, last: int) -> None:
    """Write a segment as a writer does that did not see the journal's end."""
    journal = Journal(store.parts.payloads, store.open().uuid)
    entries = {_position(entry): entry for entry in stream(store)}
    before = End(first - 1, _chain(entries.get(first - 1))) if first > 1 else START
    journal.extend(0, before, [entries[n] for n in range(first, last + 1)])


def put_groups(client: redis.Redis, store: EventStore, at: Mapping[str, int]) -> None:
    """Set the checkpoints of groups in partition 0; position 0 is a group that never began."""
    keys = store.parts.log.partitions[0]
    chains = {_position(entry): _chain(entry) for entry in stream(store)}
    for name, position in at.items():
        value = str(Checkpoint(1, position, chains.get(position, GENESIS)))
        client.hset(keys.checkpoints, name, value)


def all_groups(position: int, **others: int) -> dict[str, int]:
    """Return every known group at a position, but for some."""
    return dict.fromkeys(GROUPS, position) | others


def set_ages(client: redis.Redis, store: EventStore, ages_ms: Mapping[int, int]) -> None:
    """Let events of partition 0 have been appended so long ago; what is not named stays."""
    keys = store.parts.log.partitions[0]
    entries = stream(store)
    now = store.reading(lambda: call(commands.server_time()))
    client.unlink(keys.stream)
    for entry_id, values in entries:
        fields: Any = dict(zip(values[::2], values[1::2], strict=True))
        position = int(entry_id.partition(b"-")[2])
        if position in ages_ms:
            fields[b"at"] = str(now - ages_ms[position]).encode()
        client.xadd(keys.stream, fields, id=entry_id)


def left(client: redis.Redis, keys: Keys) -> tuple[list[int], list[int]]:
    """Return the positions that the stream and the refs of a partition still have."""
    entries: Any = client.xrange(keys.stream)
    refs: Any = client.hvals(keys.refs)
    return (
        [_position(entry) for entry in entries],
        sorted(int.from_bytes(value[:8], "big") for value in refs),
    )


def _position(entry: Any) -> int:
    return int(entry[0].partition(b"-")[2])


def _chain(entry: Any) -> str:
    return GENESIS if entry is None else field(entry, "chain")
