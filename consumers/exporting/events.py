"""Whole events of a session, or of a store, as lines: read page by page, in constant memory.

A session's lines are in the order of its seq. Those of a store are in the order of its log, a
partition after the other, so that a store with as many partitions which imports them when it is
empty has each event at the same position, and the same read models.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from consumers.event_lines import encode_line
from eventstore.errors import SessionNotFound
from eventstore.loading import load_payloads, payload_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventstore.codec import Recorded
    from eventstore.keys import Keys
    from eventstore.store import EventStore

PAGE: Final = 500
# Payloads are loaded together up to so many bytes; a larger one is alone.
MAX_LOADED_BYTES: Final = 8 * 1024 * 1024


def session_lines(store: EventStore, session_id: str) -> Iterator[bytes]:
    """Yield the lines of a session's events, up to the end that it has at the start.

    Raises `SessionNotFound`, `ExportRefused`, and what reading raises.
    """
    last = store.read(session_id, backwards=True, limit=1)
    if not last:
        raise SessionNotFound(session_id)
    keys = store.parts.log.keys_of(session_id)
    end = last[0].seq + 1
    for seq in range(0, end, PAGE):
        page = store.read(session_id, from_seq=seq, to_seq=min(end, seq + PAGE))
        yield from _lines(store, keys, page)


def store_lines(store: EventStore) -> Iterator[bytes]:
    """Yield the lines of every event, up to the ends that the partitions have at the start."""
    for head in store.head():
        position = 0
        while position < head.position:
            limit = min(PAGE, head.position - position)
            page = store.read_all(head.partition, after=position, limit=limit)
            position = page[-1].position
            yield from _lines(store, store.parts.log.partitions[head.partition], page)


def _lines(store: EventStore, keys: Keys, events: Sequence[Recorded]) -> Iterator[bytes]:
    for part in _parts(events):
        wanted = [payload_of(recorded.event) for recorded in part]
        payloads = store.reading(partial(load_payloads, store.parts.payloads, keys, wanted))
        for recorded, payload in zip(part, payloads, strict=True):
            yield encode_line(recorded, payload)


def _parts(events: Sequence[Recorded]) -> Iterator[list[Recorded]]:
    """Split events where their payloads would be too much to have at once."""
    part: list[Recorded] = []
    size = 0
    for recorded in events:
        info = recorded.event.payload
        own = info.size if info is not None else 0
        if part and size + own > MAX_LOADED_BYTES:
            yield part
            part, size = [], 0
        part.append(recorded)
        size += own
    yield part
