"""The payload group: moves payloads from their buffers in the server to the payload store.

The only group that reads payload bytes. Files are written, whole and by name, before the
checkpoint moves, and the buffers go in the script that moves it; so a payload is in the buffer
or in the store at every moment, and a batch that is done again writes the same files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
import anyio.to_thread

from consumers.applying.restarting import Restart
from eventstore import commands
from eventstore.errors import EventStoreError, PayloadMissing
from eventstore.flow import Call, as_is, call
from eventstore.header_view import header_of
from eventstore.loading import payload_of
from eventstore.payload_store import EventPayload
from eventstore.views import START
from projections.base import Write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from eventstore.payload_store import PayloadStore
    from eventstore.payloads import PayloadInfo
    from eventstore.views import Checkpoint

PAYLOAD_GROUP: Final = "payloads"
STEP_BYTES: Final = 8 * 1024 * 1024
WRITERS: Final = 8
"""Threads that write payloads at the same time."""
_Payload: TypeAlias = "tuple[Recorded, PayloadInfo]"


class PayloadHandler:
    """The payload group's work on a batch.

    Payloads are taken from the server in steps of `STEP_BYTES`, or one if it alone is larger.
    Raises `PayloadMissing` for one that is neither in its buffer nor in the store, unless it is
    known that it was lost with a server; `PayloadDamaged`; and `PayloadStoreError` while the
    store is down.
    """

    name = PAYLOAD_GROUP
    parks = True

    def __init__(self, access: StoreAccess, writers: int = WRITERS) -> None:
        self._access = access
        self._store = access.payloads
        self._count = writers
        self._writers = anyio.CapacityLimiter(writers)

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        """Store the events' payloads; return what frees their buffers and counts them."""
        del generation  # Payloads are not a read model: nothing rebuilds them.
        kept = {
            place: [item for item in _with_payload(events) if item[1].place == place]
            for place in ("buffer", "digest")
        }
        writes = [
            Write("HSET", keys.payload_digests, (info.sha256, item.position))
            for item, info in kept["digest"]
        ]
        freed = by_ref = 0
        for step in _steps(kept["buffer"]):
            waited, stored = await self._store_step(step, keys)
            freed, by_ref = freed + waited, by_ref + stored
            writes += [Write("UNLINK", keys.payload(item.event.ref)) for item, _ in step]
        by_digest = sum(info.stored for _, info in kept["digest"])
        counted = (("payload_bytes", -freed), ("stored:file", by_ref), ("stored:digest", by_digest))
        writes += [Write("HINCRBY", keys.meta, count) for count in counted if count[1]]
        return writes

    async def restart(self, seen: Checkpoint, keys: Keys) -> Restart:
        """Take every event again: a file that is there is known by its name, and counted anew."""
        books = (keys.payload_digests, *keys.parked(self.name, seen.generation).all)
        return Restart(START, keys=books, counts=("stored:file", "stored:digest"))

    async def restarted(self, seen: Checkpoint, keys: Keys) -> None:
        """Nothing is left: files of lost events harm nobody, and may be wanted."""

    async def _store_step(self, step: Sequence[_Payload], keys: Keys) -> tuple[int, int]:
        """Write a step's payloads to files; return bytes that waited in buffers, and in files.

        What was in a file already, since the buffer was lost with a server that was restored,
        counts as stored; what is known to be lost does not, and is passed.
        """
        refs = [item.event.ref for item, _ in step]
        buffers = await self._access.run(call(commands.buffered_payloads(keys, refs)))
        lost = await self._lost(
            keys, [r for r, data in zip(refs, buffers, strict=True) if not data]
        )
        pairs = [
            pair
            for pair in zip(step, buffers, strict=True)
            if pair[1] is not None or pair[0][0].event.ref not in lost
        ]
        faults: list[EventStoreError] = []
        async with anyio.create_task_group() as tasks:
            for share in (
                pairs[first :: self._count] for first in range(min(self._count, len(pairs)))
            ):
                tasks.start_soon(self._keep, share, faults)
        if faults:
            raise faults[0]
        waited = sum(len(data) for data in buffers if data is not None)
        return waited, sum(info.stored for (_, info), _ in pairs)

    async def _lost(self, keys: Keys, refs: Sequence[str]) -> set[str]:
        """Return those refs whose payloads were lost with a server, as its restore found."""
        if not refs:
            return set()
        step: Call[list[bytes | None]] = Call("HMGET", (keys.payload_missing,), tuple(refs), as_is)
        found = await self._access.run(call(step))
        return {ref for ref, position in zip(refs, found, strict=True) if position is not None}

    async def _keep(
        self, share: Sequence[tuple[_Payload, bytes | None]], faults: list[EventStoreError]
    ) -> None:
        try:
            # Abandoned at shutdown if the filesystem hangs: the write is done again later.
            await anyio.to_thread.run_sync(
                _keep, self._store, share, limiter=self._writers, abandon_on_cancel=True
            )
        except EventStoreError as error:
            faults.append(error)


def _keep(store: PayloadStore, share: Sequence[tuple[_Payload, bytes | None]]) -> None:
    store.write_many(
        [_to_store(item, info, data) for (item, info), data in share if data is not None]
    )
    for item in (payload for payload, data in share if data is None):
        _check_stored(store, *item)


def _to_store(item: Recorded, info: PayloadInfo, data: bytes) -> EventPayload:
    session_id, ref, _, mime = payload_of(item.event)
    return EventPayload(session_id, ref, info, data, mime, header_of(item))


def _check_stored(store: PayloadStore, item: Recorded, info: PayloadInfo) -> None:
    session_id, ref, _, mime = payload_of(item.event)
    if not store.exists(session_id, ref, info, mime):
        raise PayloadMissing(
            f"partition {item.partition}, position {item.position}: the payload of "
            f"{ref} is neither in its buffer nor in the payload store; something "
            "deleted or evicted it. Restore the file from a backup, and the group goes on"
        )


def _with_payload(events: Sequence[Recorded]) -> Iterator[_Payload]:
    for item in events:
        if item.event.payload is not None:
            yield item, item.event.payload


def _steps(payloads: Sequence[_Payload]) -> Iterator[list[_Payload]]:
    step: list[_Payload] = []
    size = 0
    for payload in payloads:
        if step and size + payload[1].stored > STEP_BYTES:
            yield step
            step, size = [], 0
        step.append(payload)
        size += payload[1].stored
    if step:
        yield step
