"""`repair`: of two histories the one that an operator chooses; what the other had is kept aside.

Whatever is taken out of the log or the journal lies in `lost/` before it goes, whole and durable
(`eventstore.journal_lost`). A repair that was cut short is completed by running it again, or by
the next opener.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

import msgspec

from eventstore.codec import decode_entry
from eventstore.errors import Damaged, EventStoreError, InvalidInput, RepairRefused
from eventstore.flow import Call, Flow, as_is, blocking
from eventstore.journal import End, Journal
from eventstore.journal_lost import LostEvents
from eventstore.keys import entry_id, position_of
from eventstore.loading import payload_of
from eventstore.opening.clearing import clear, seal
from eventstore.opening.completing import journals_of
from eventstore.opening.examining import Examined, examine
from eventstore.opening.lease import OpeningLease
from eventstore.opening.partition import where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.connection import ServerIdentity
    from eventstore.journal_format import Entry
    from eventstore.keys import Keys
    from eventstore.log import Log

Keep = Literal["stream", "journal"]
_PAGE: Final = 500


class RepairedPartition(msgspec.Struct, frozen=True):
    """A partition that was repaired: what was kept, how many events were not, and in which files.

    `common` is the last position that both had, `position` where the history that was kept ends.
    """

    partition: int
    kept: Keep
    common: int
    position: int
    chain: str
    lost_events: int
    lost_files: list[str]


class Repaired(msgspec.Struct, frozen=True):
    """What a repair did, and why the store cannot be opened yet, None if it is open."""

    store: str
    partitions: list[RepairedPartition]
    problem: str | None


def examine_all(log: Log) -> Flow[list[Examined]]:
    """Return what there is of every partition, without opening the store or changing anything."""
    yield from log.look()
    uuid = yield from _uuid(log)
    return (yield from _examine(log.partitions, Journal(log.payloads, uuid)))


def _examine(partitions: Sequence[Keys], journal: Journal) -> Flow[list[Examined]]:
    found: list[Examined] = []
    for keys in partitions:
        examined = yield from examine(keys, journal)
        found.append(examined)
    return found


def repair(log: Log, keep: Keep, partition: int | None = None) -> Flow[Repaired]:
    """Keep one history of every partition that has two, or whose keys contradict each other.

    `stream` lets the journal be what the log is, `journal` the log what the journal is. The
    store is opened at the end. Raises `RepairRefused` if nothing is to be repaired or the
    history to be kept is not whole; nothing was changed then.
    """
    identity = yield from log.look()
    uuid = yield from _uuid(log)
    lease = OpeningLease(log.partitions[0], log.settings.lease_seconds)
    while not (yield from lease.take_or_wait()):
        pass
    try:
        done = yield from _repair_all(log, identity, uuid, keep, partition, lease)
    except EventStoreError:
        yield from lease.release()
        raise
    yield from lease.release()
    log.forget()
    problem = None
    try:
        yield from log.open(candidate=uuid)
    except Damaged as error:
        # Of another partition, which has to be chosen for as well.
        problem = str(error)
    return Repaired(uuid, done, problem)


def _repair_all(
    log: Log,
    identity: ServerIdentity,
    uuid: str,
    keep: Keep,
    partition: int | None,
    lease: OpeningLease,
) -> Flow[list[RepairedPartition]]:
    journal = Journal(log.payloads, uuid)
    chosen = [keys for keys in log.partitions if partition in (None, keys.partition)]
    if not chosen:
        raise InvalidInput(
            f"partition: there are {len(log.partitions)}, counted from 0; {partition} is none"
        )
    found = yield from _examine(chosen, journal)
    broken = [each for each in found if _needs(each, keep)]
    if not broken:
        raise RepairRefused(
            f"namespace {log.settings.namespace!r}: log and journal are one history, there is "
            "nothing to choose; what the log lacks the next open puts back"
        )
    for each in broken:
        yield from _check_whole(each, journal, keep)
    done = []
    for each in broken:
        yield from lease.beat()
        work = _keep_stream if keep == "stream" else _keep_journal
        done.append((yield from work(log, identity, journal, each)))
    return done


def _needs(found: Examined, keep: Keep) -> bool:
    """Return whether a partition has to be repaired for the next open to make it whole."""
    if found.verdict == "lost":
        # An instance that is admitted is not compared with the journal again; and a stream whose
        # end was deleted by hand does not take its positions back.
        return keep == "journal"
    return found.verdict in ("differs", "poisoned", "gone")


def _check_whole(found: Examined, journal: Journal, keep: Keep) -> Flow[None]:
    """Raise `RepairRefused` unless the history to be kept can be read from its beginning."""
    place = where(found.keys)
    if keep == "stream":
        if found.verdict != "differs":
            raise RepairRefused(
                f"{place}: {found.problem}, so the stream alone is no log; --keep journal keeps "
                "all that is whole of both"
            )
        return
    try:
        yield from blocking(_read_whole, journal, found.keys.partition)
    except Damaged as error:
        raise RepairRefused(
            f"{place}: the journal is not whole, so the log cannot be made from it ({error}); "
            "nothing was changed"
        ) from error
    first = yield from _entries(found.keys, 1, None, 1)
    if found.strays and first and found.common + 1 < position_of(first[0][0]):
        raise RepairRefused(
            f"{place}: what the log has of its own begins at {found.common + 1}, and the stream "
            f"only at {position_of(first[0][0])}: what was trimmed of it could not be kept. Bring "
            "back the journal that it was trimmed by"
        )


def _read_whole(journal: Journal, partition: int) -> None:
    for entry in journal.entries(partition):
        decode_entry(partition, entry)


def _keep_stream(
    log: Log, identity: ServerIdentity, journal: Journal, found: Examined
) -> Flow[RepairedPartition]:
    """Take the segments of another history out of the journal; what they share stays."""
    keys = found.keys
    yield from seal(keys, identity)
    lost = LostEvents(log.payloads, journal.store, keys.partition)
    files, count = [], 0
    # From the last: cut short, what is left is two histories still, and not a journal with a gap.
    for stray in reversed(found.strays):
        gone = stray.entries[stray.agreeing :]
        files.append((yield from blocking(lost.keep, gone)))
        count += len(gone)
        shared = stray.entries[: stray.agreeing]
        yield from blocking(journal.replace, keys.partition, stray.segment, shared)
    # The journal's group has passed them, so nobody else would write what is missing now.
    yield from _extend(journal, found)
    return RepairedPartition(keys.partition, "stream", found.common, *found.log, count, files)


def _keep_journal(
    log: Log, identity: ServerIdentity, journal: Journal, found: Examined
) -> Flow[RepairedPartition]:
    """Give the journal what it lacks of one history, keep the rest aside, clear the log."""
    keys = found.keys
    epoch = (yield from seal(keys, identity)) if found.uuid else None
    files: list[str] = []
    count = 0
    if not found.strays:
        yield from _extend(journal, found)
    else:
        lost = LostEvents(log.payloads, journal.store, keys.partition)
        first = found.common + 1
        while first <= found.log.position:
            page = yield from _entries(keys, first, found.log.position, _PAGE)
            files.append((yield from blocking(lost.keep, page)))
            files += yield from _keep_payloads(keys, lost, page)
            first, count = first + len(page), count + len(page)
    if found.foreign:
        lost = LostEvents(log.payloads, journal.store, keys.partition)
        files.append((yield from blocking(lost.keep_foreign, found.foreign)))
    end: End = yield from blocking(journal.end, keys.partition)
    yield from clear(keys, journal.store, len(log.partitions), epoch)
    return RepairedPartition(keys.partition, "journal", found.common, *end, count, files)


def _extend(journal: Journal, found: Examined) -> Flow[None]:
    """Write what the journal lacks of the log, as far as the stream holds it."""
    end: End = yield from blocking(journal.end, found.keys.partition)
    while end.position < found.log.position:
        page = yield from _entries(found.keys, end.position + 1, found.log.position, _PAGE)
        if position_of(page[0][0]) > end.position + 1:
            return
        end = yield from blocking(journal.extend, found.keys.partition, end, page)


def _keep_payloads(keys: Keys, lost: LostEvents, page: Sequence[Entry]) -> Flow[list[str]]:
    """Keep those payloads of lost events that are in the server alone."""
    events = [decode_entry(keys.partition, entry).event for entry in page]
    waiting = [payload_of(event) for event in events]
    buffered = [each for each in waiting if each.info is not None and each.info.place == "buffer"]
    if not buffered:
        return []
    names = tuple(keys.payload(each.ref) for each in buffered)
    found: list[bytes | None] = yield Call("MGET", names, (), as_is, control=True)
    files = []
    for each, data in zip(buffered, found, strict=True):
        if data is not None and each.info is not None:
            files.append(
                (yield from blocking(lost.keep_payload, each.session_id, each.ref, each.info, data))
            )
    return files


def _entries(keys: Keys, first: int, last: int | None, limit: int) -> Flow[list[Entry]]:
    args = (entry_id(first), "+" if last is None else entry_id(last), "COUNT", limit)
    found: list[Entry] = yield Call("XRANGE", (keys.stream,), args, as_is, control=True)
    return found


def _uuid(log: Log) -> Flow[str]:
    """Return the store that the partitions are of; by its journal if none of them says."""
    found: set[str] = set()
    for keys in log.partitions:
        uuid: Any = yield Call("HGET", (keys.meta,), ("uuid",), as_is, control=True)
        if uuid is not None:
            found.add(uuid.decode())
    if not found:
        namespace = log.partitions[0].namespace
        stores = yield from blocking(journals_of, log.payloads, namespace)
        found = {store.uuid for store in stores} or {uuid4().hex}
    if len(found) > 1:
        raise RepairRefused(
            f"namespace {log.settings.namespace!r}: the partitions, or the journals beside the "
            f"payloads, are of several stores: {', '.join(sorted(found))}; take away what is not "
            "of the one to repair"
        )
    return found.pop()
