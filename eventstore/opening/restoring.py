"""`restore`: a store that is gone, back from its journal. `new`: another one beside that journal.

A restore is an open that finds nothing: the partitions are established under the journal's uuid,
sealed, and everything the journal has is put back behind position 0. Cut short anywhere, it is
completed by running it again, or by whoever opens the store next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import msgspec

from eventstore.errors import InvalidInput, RepairRefused, WrongStore
from eventstore.flow import Batch, Call, Flow, as_is, blocking
from eventstore.journal_stores import StoreRecord, record_store, stores_with_segments
from eventstore.opening.partition import where

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.opening.verified_open import Opened


class RestoredPartition(msgspec.Struct, frozen=True):
    """A partition after a restore: its end, how many events this run put back, lost payloads."""

    partition: int
    position: int
    chain: str
    readded: int
    missing_payloads: int


class Restored(msgspec.Struct, frozen=True):
    """A store that came back, partition by partition."""

    store: str
    partitions: list[RestoredPartition]


def restore(
    log: Log, store: str | None, report: Callable[[int, int, int], object]
) -> Flow[Restored]:
    """Bring a store back from its journal, into a server that holds nothing of this namespace.

    `store` is its uuid; None is the one whose journal lies there. `report` is told a partition,
    how far its log is and where that will end. Raises `RepairRefused` if the server holds a
    store, `InvalidInput` if it is not clear which one is meant, `WrongStore` if it has another
    number of partitions, and what an open raises.
    """
    yield from log.look()
    found = yield from _peek(log.partitions)
    uuid = yield from _journal_to_restore(log, store, found)
    _check_room(log.partitions, found, uuid)
    opened = yield from log.open(candidate=uuid, report=report)
    return (yield from _restored(log, opened))


def begin_anew(log: Log) -> Flow[Opened]:
    """Open the store, or make one, whatever journals of others lie beside the payloads.

    The store that the server holds, or the new one, has a journal of its own from here on.
    """
    yield from log.look()
    found = yield from _peek(log.partitions)
    held = [each.uuid for each in found if each.uuid]
    uuid = held[0] if held else uuid4().hex
    record = StoreRecord(uuid, log.partitions[0].namespace, len(log.partitions))
    yield from blocking(record_store, log.payloads, record)
    return (yield from log.open(candidate=uuid))


class _Peek(NamedTuple):
    """What a partition holds, looked at without changing anything."""

    uuid: str
    state: str
    head: str
    left: int


def _peek(partitions: Sequence[Keys]) -> Flow[list[_Peek]]:
    found = []
    for keys in partitions:
        names = (keys.stream, keys.refs, keys.sessions, keys.checkpoints)
        meta, left = yield Batch(
            (
                Call("HMGET", (keys.meta,), ("uuid", "state", "head"), as_is, control=True),
                Call("EXISTS", names, (), int, control=True),
            )
        )
        uuid, state, head = ((value or b"").decode() for value in meta)
        found.append(_Peek(uuid, state, head, left))
    return found


def _journal_to_restore(log: Log, store: str | None, found: Sequence[_Peek]) -> Flow[str]:
    """Return the uuid of the store to restore, whose journal is of this namespace and shape."""
    namespace, url = log.partitions[0].namespace, log.payloads.journal_url
    records: list[StoreRecord] = yield from blocking(stores_with_segments, log.payloads)
    by_uuid = {record.uuid: record for record in records if record.may_be_of(namespace)}
    begun = next((each.uuid for each in found if each.uuid in by_uuid), None)
    wanted = store or begun or (next(iter(by_uuid)) if len(by_uuid) == 1 else None)
    if wanted is None or wanted not in by_uuid:
        if store is not None:
            problem = f"there is no journal of store {store}"
        else:
            problem = "there are several journals" if by_uuid else "there is no journal"
        held = ", ".join(f"{each.uuid} of namespace {each.namespace!r}" for each in records)
        raise InvalidInput(
            f"store: {problem} of namespace {namespace!r} beside the payloads at {url}, which "
            f"has: {held or 'none'}. Name one of this namespace, or set store.namespace or "
            "payloads.url"
        )
    partitions = by_uuid[wanted].partitions
    if partitions not in (None, len(log.partitions)):
        raise WrongStore(
            f"store {wanted} has {partitions} partitions, the settings {len(log.partitions)}; "
            f"set store.partitions to {partitions}"
        )
    return wanted


def _check_room(partitions: Sequence[Keys], found: Sequence[_Peek], uuid: str) -> None:
    """Raise `RepairRefused` unless the partitions are empty, or of a restore that was cut short."""
    for keys, each in zip(partitions, found, strict=True):
        if each.uuid and each.uuid != uuid:
            raise RepairRefused(
                f"{where(keys)} holds store {each.uuid} with {each.head} events, not {uuid}; "
                "restore into another store.namespace or server, or remove that store first"
            )
        if not each.uuid and each.left:
            raise RepairRefused(
                f"{where(keys)} holds keys without their meta; `eventstore repair` shows what "
                "there is and what can be kept"
            )
    if all(each.state == "open" for each in found):
        events = sum(int(each.head) for each in found)
        raise RepairRefused(
            f"namespace {partitions[0].namespace!r}: the server holds store {uuid} already, open "
            f"and with {events} events; there is nothing to restore"
        )


def _restored(log: Log, opened: Opened) -> Flow[Restored]:
    heads = yield from log.heads()
    back = {each.partition: each.events for each in opened.readded}
    rows = []
    for keys, head in zip(log.partitions, heads, strict=True):
        missing: int = yield Call("HLEN", (keys.payload_missing,), (), int)
        rows.append(
            RestoredPartition(
                partition=keys.partition,
                position=head.position,
                chain=head.chain,
                readded=back.get(keys.partition, 0),
                missing_payloads=missing,
            )
        )
    return Restored(opened.uuid, rows)
