"""`log verify`: is every entry of a partition the one that was appended, and none missing?

It recomputes the digest of each entry's content and the chain over them, and checks that
positions, the events of each session and the indexes of each lane are dense. One number is held
in memory for each session and each lane.

What the store itself filled in (a default time, trace ids, where a payload was put, when the
server took the entry) is in no digest. The chain shows damage and loss; it is no signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from eventstore import commands
from eventstore.chain import GENESIS, link
from eventstore.codec import decode_entry, stored_digest
from eventstore.errors import ChainBroken, UndecodableEvent
from eventstore.events import BranchForked, branch_lane
from eventstore.flow import Call, Flow, call
from eventstore.keys import position_of
from eventstore.log_reader import PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.keys import Keys
    from eventstore.log import Log

    Entry: TypeAlias = tuple[bytes, Sequence[bytes]]


class LogVerified(msgspec.Struct, frozen=True):
    """A whole log: its partition's last position, the chain there, and how much it holds."""

    partition: int
    position: int
    chain: str
    sessions: int
    lanes: int


def verify_log(log: Log, partition: int) -> Flow[LogVerified]:
    """Walk a partition's log from its first event to the head at the start of the walk.

    Raises `ChainBroken` naming the first position that is not as it was appended, and
    `UndecodableEvent` for an event that this version cannot read.
    """
    keys = log.partitions[partition]
    last = yield from call(_last_entry(keys))
    head = yield from call(commands.head(keys))
    if head is None:
        raise ChainBroken(partition, 1, "the head that the store recorded is gone")
    if last is not None and not _is_within(last, head.position):
        raise ChainBroken(
            partition, head.position + 1, f"something else wrote the entry {last.decode()}"
        )
    walk = Walk(partition)
    while walk.position < head.position:
        first = walk.position + 1
        page = yield from log.reader.entries(keys, first, head.position, PAGE)
        if not page:
            raise ChainBroken(partition, first, f"is gone, the head is {head.position}")
        for entry in page:
            walk.step(entry)
    if walk.chain != head.chain:
        raise ChainBroken(
            partition, head.position, f"the chain ends in {walk.chain}, the head has {head.chain}"
        )
    return LogVerified(partition, walk.position, walk.chain, len(walk.seqs), len(walk.lanes))


class Walk:
    """The state of a walk over a log's entries: what the next one must continue."""

    def __init__(self, partition: int) -> None:
        self.position = 0
        self.chain = GENESIS
        self.seqs: dict[str, int] = {}
        self.lanes: dict[tuple[str, str], int] = {}
        self._partition = partition

    def step(self, entry: Entry) -> None:
        """Take one entry further. Raises `ChainBroken` or `UndecodableEvent`."""
        position = self.position + 1
        if position_of(entry[0]) != position:
            raise self._broken(position, f"is gone, {entry[0].decode()} follows")
        try:
            digest = stored_digest(self._partition, entry)
        except UndecodableEvent as error:
            raise self._broken(position, f"cannot be read: {error}") from error
        event = decode_entry(self._partition, entry)
        if event.digest != digest:
            raise self._broken(
                position,
                f"its content has the digest {digest}, {event.digest} was recorded",
            )
        if event.chain != link(self.chain, event.event.ref, digest):
            raise self._broken(position, f"its chain {event.chain} does not continue {self.chain}")
        self._count(event)
        self.position, self.chain = position, event.chain

    def _count(self, recorded: Recorded) -> None:
        """Check that session and lane go on where they were; a lane may be opened anywhere."""
        event = recorded.event
        seq = self.seqs.get(event.session_id, 0)
        if recorded.seq != seq:
            raise self._broken(
                recorded.position,
                f"is event {recorded.seq} of session {event.session_id!r}, {seq} was due",
            )
        self.seqs[event.session_id] = seq + 1
        lane = (event.session_id, event.lane)
        index = self.lanes.get(lane, recorded.index)
        if recorded.index != index:
            raise self._broken(
                recorded.position, f"has index {recorded.index} in {event.lane!r}, {index} was due"
            )
        self.lanes[lane] = index + 1
        if isinstance(event, BranchForked):
            self.lanes[event.session_id, branch_lane(event.branch_id)] = event.own

    def _broken(self, position: int, problem: str) -> ChainBroken:
        return ChainBroken(self._partition, position, problem)


def _last_entry(keys: Keys) -> Call[bytes | None]:
    """Return the id of the last entry of the stream, whoever wrote it."""
    args = ("+", "-", "COUNT", 1)
    return Call("XREVRANGE", (keys.stream,), args, lambda reply: reply[0][0] if reply else None)


def _is_within(entry: bytes, head: int) -> bool:
    return entry.startswith(b"0-") and position_of(entry) <= head
