"""What a store takes, measured: keys of the server, the journal and its index, payloads.

Walks every key and file of the store, so it is for an operator's eyes and not for metrics. Bytes of
keys are the server's own estimates (MEMORY USAGE, five samples a key), those of files their sizes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from consumers.monitoring.footprint import footprint
from eventstore import commands
from eventstore.connection import parse_info
from eventstore.flow import Call, Flow, batch, call
from eventstore.journal import Journal
from eventstore.journal_index import JournalIndex
from eventstore.keys import position_of

if TYPE_CHECKING:
    from eventstore.keys import Keys
    from eventstore.store import EventStore


class KindUsage(msgspec.Struct, frozen=True):
    """The keys of one kind in all partitions."""

    name: str
    keys: int
    bytes: int


class LogUsage(msgspec.Struct, frozen=True):
    """The stream of a partition: the last position trimmed, events and bytes in the server.

    `journalled` is the last position in the journal.
    """

    partition: int
    trimmed: int
    events: int
    bytes: int
    journalled: int


class FilesUsage(msgspec.Struct, frozen=True):
    """Files of one sort; None where a payload store of one's own does not say."""

    name: str
    files: int | None
    bytes: int | None


class Usage(msgspec.Struct, frozen=True):
    """The bytes of a store.

    `used_memory` and `maxmemory` (0 = none) are the whole server's, whatever else is on it;
    `waiting_bytes` are payloads in the server that wait to be stored.
    """

    used_memory: int
    maxmemory: int
    waiting_bytes: int
    kinds: list[KindUsage]
    logs: list[LogUsage]
    files: list[FilesUsage]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def measure(store: EventStore) -> Usage:
    """Return what a store takes. Raises what its journal and payload store raise."""
    log, payloads = store.parts.log, store.parts.payloads
    uuid = store.open().uuid
    journal, index = Journal(payloads, uuid), JournalIndex(payloads, uuid)
    parts = range(len(log.partitions))
    extents = [journal.extent(partition) for partition in parts]
    runs = [size for partition in parts for _, size in index.runs(partition)]
    stored = payloads.usage()
    kinds = store.reading(lambda: footprint(log.partitions))
    info = store.reading(lambda: call(Call("INFO", ("memory",), (), parse_info)))
    streams = [store.reading(partial(_stream, keys)) for keys in log.partitions]
    return Usage(
        used_memory=int(info["used_memory"]),
        maxmemory=int(info.get("maxmemory", "0")),
        waiting_bytes=sum(waiting for _, _, _, waiting in streams),
        kinds=[KindUsage(kind.name, kind.keys, kind.bytes) for kind in kinds],
        logs=[
            LogUsage(partition, trimmed, events, size, extents[partition].end.position)
            for partition, (trimmed, events, size, _) in enumerate(streams)
        ],
        files=[
            FilesUsage("journal", sum(e.segments for e in extents), sum(e.bytes for e in extents)),
            FilesUsage("journal index", len(runs), sum(runs)),
            FilesUsage("payloads", stored.files, stored.bytes),
        ],
    )


def _stream(keys: Keys) -> Flow[tuple[int, int, int, int]]:
    """Return the last position trimmed, events and bytes in the stream, waiting payload bytes."""
    calls: list[Call[Any]] = [
        commands.first_entry(keys),
        Call("XLEN", (keys.stream,), (), int),
        Call("MEMORY", (), ("USAGE", keys.stream), lambda reply: int(reply or 0)),
        commands.meta(keys),
    ]
    first, events, size, meta = yield from batch(calls)
    trimmed = int(meta["head"]) if first is None else position_of(first[0]) - 1
    return trimmed, events, size, int(meta["payload_bytes"])
