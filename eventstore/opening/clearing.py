"""Taking a partition's log out of the server, so that it comes back from the journal alone.

A stream cannot be cut at its end: a position is given once, whatever is deleted behind it. So
all of it goes, with its books, and the journal's entries are put back from the first. Cut short
in between, the partition says that it is being cleared, and the next opener goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventstore.errors import Sealed
from eventstore.flow import Call, Flow, blocking, call
from eventstore.journal import START, End, Journal
from eventstore.journal_format import field
from eventstore.journal_lost import LostEvents
from eventstore.opening.partition import FORMAT, where
from eventstore.scripts import script

if TYPE_CHECKING:
    from eventstore.connection import ServerIdentity
    from eventstore.keys import Keys
    from eventstore.opening.lease import OpeningLease
    from eventstore.payload_store import PayloadStore

_PAGE: Final = 500
# The group that counts what it stores in the partition's meta.
_COUNTER: Final = "payloads"
_START_OF_SCAN: Final = b"0"


def seal(keys: Keys, identity: ServerIdentity, came_from: str = "open") -> Flow[int]:
    """Let a partition take no appends; return the epoch. Raises `Sealed` if it is elsewhere."""
    reply: list[bytes] = yield Call(
        script("seal"),
        (keys.meta,),
        (f"{identity.run_id}:{identity.replid}", came_from),
        list,
        control=True,
    )
    if reply[0] != b"ok":
        raise Sealed(f"{where(keys)} is {reply[1].decode() or 'gone'}; look at it again")
    return int(reply[1])


def clear(keys: Keys, uuid: str, partitions: int, epoch: int | None) -> Flow[None]:
    """Take the log and its books away; `epoch` is that of the seal, None without a meta.

    Everything that the journal lacks has been kept elsewhere. Raises `Sealed` if the partition
    is not as the caller saw it.
    """
    reply: list[bytes] = yield Call(
        script("clear"),
        (
            *(keys.meta, keys.stream, keys.refs, keys.sessions),
            *(keys.payload_missing, keys.checkpoints),
        ),
        ("" if epoch is None else epoch, uuid, partitions, FORMAT, _COUNTER),
        list,
        control=True,
    )
    if reply[0] != b"ok":
        raise Sealed(f"{where(keys)} changed meanwhile; look at it again")


def finish_clearing(
    keys: Keys, uuid: str, identity: ServerIdentity, payloads: PayloadStore, lease: OpeningLease
) -> Flow[None]:
    """Remove what is left of a log that was taken away, and seal the empty partition."""
    lost = LostEvents(payloads, uuid, keys.partition)
    gone: list[str] = yield from blocking(_gone, lost, Journal(payloads, uuid), keys.partition)
    for start in range(0, len(gone), _PAGE):
        yield from _unlink([keys.payload(ref) for ref in gone[start : start + _PAGE]])
        yield from lease.beat()
    cursor = _START_OF_SCAN
    while True:
        args = (cursor, "MATCH", keys.sessions_pattern, "COUNT", _PAGE)
        cursor, names = yield from call(Call("SCAN", (), args, tuple, control=True))
        yield from _unlink(names)
        yield from lease.beat()
        if cursor == _START_OF_SCAN:
            break
    yield from seal(keys, identity, "clearing")


def _unlink(names: list[str] | list[bytes]) -> Flow[None]:
    if names:
        yield from call(Call("UNLINK", (), tuple(names), int, control=True))


def _gone(lost: LostEvents, journal: Journal, partition: int) -> list[str]:
    """Return the refs of lost events that the journal does not have as well."""
    kept = list(lost.refs())
    if not kept:
        return []
    before = min(position for position, _ in kept) - 1
    chain = journal.chain_at(partition, before) if before else START.chain
    if chain is None:
        return [ref for _, ref in kept]
    held = {field(entry, "ref") for entry in journal.entries(partition, End(before, chain))}
    return [ref for _, ref in kept if ref not in held]
