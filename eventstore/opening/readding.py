"""Putting events of the journal back into a sealed partition, at the positions that they had.

`lua/readd.lua` takes a batch only where the log ends as the batch begins, and only whole, so
this can be cut short anywhere, and done by two at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from eventstore.codec import decode_entry, encode_state
from eventstore.errors import JournalDamaged, Poisoned, UndecodableEvent
from eventstore.events import BranchForked, UnknownEvent, branch_lane
from eventstore.flow import Argument, Call, Flow, blocking, call
from eventstore.journal import End
from eventstore.keys import partition_of
from eventstore.loading import payload_of
from eventstore.scripts import script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from eventstore.codec import Recorded
    from eventstore.events import Event
    from eventstore.journal import Journal
    from eventstore.journal_format import Entry
    from eventstore.keys import Keys
    from eventstore.opening.lease import OpeningLease
    from eventstore.opening.partition import Standing
    from eventstore.payload_store import PayloadStore

MAX_EVENTS: Final = 500
MAX_BYTES: Final = 1024 * 1024
_LOOKERS: Final = 16


class Readded(NamedTuple):
    """Events that came back into a partition: from `first` to `end`; payloads that are lost."""

    partition: int
    first: int
    end: End
    missing_payloads: int

    @property
    def events(self) -> int:
        """How many events came back."""
        return self.end.position - self.first + 1


class Source(NamedTuple):
    """Where events come back from: the store's journal, and the payloads beside it."""

    journal: Journal
    payloads: PayloadStore
    partitions: int


def readd_tail(
    standing: Standing,
    source: Source,
    lease: OpeningLease,
    report: Callable[[int], object],
) -> Flow[Readded | None]:
    """Put back what the journal has behind the end of a sealed partition's log.

    Returns None if the partition changed meanwhile: another opener is at it. `report` is told
    how far the log is. Raises `JournalDamaged`, `Diverged`, `UndecodableEvent`, `Poisoned`, and
    `PayloadStoreError` while files cannot be read.
    """
    keys, start = standing.keys, standing.end
    entries = source.journal.entries(keys.partition, start)
    at, missing = start, 0
    report(at.position)
    while True:
        batch: list[_Item] = yield from blocking(_next_batch, source, keys, entries)
        if not batch:
            return Readded(keys.partition, start.position + 1, at, missing)
        lost = yield from _readd(standing, at, batch)
        if lost is None:
            return None
        at, missing = batch[-1].end, missing + lost
        report(at.position)
        yield from lease.beat()


class _Item(NamedTuple):
    """An event to put back: as it lies in the journal, decoded, and whether its file is gone."""

    entry: Entry
    recorded: Recorded
    lacks_file: bool

    @property
    def end(self) -> End:
        return End(self.recorded.position, self.recorded.chain)


def _next_batch(source: Source, keys: Keys, entries: Iterator[Entry]) -> list[_Item]:
    """Read the next entries of the journal, as many as one call may carry; none at its end."""
    found: list[tuple[Entry, Recorded]] = []
    size = 0
    while len(found) < MAX_EVENTS and size < MAX_BYTES:
        entry = next(entries, None)
        if entry is None:
            break
        found.append((entry, _decode(source, keys, entry)))
        size += sum(len(value) for value in entry[1])
    with ThreadPoolExecutor(_LOOKERS) as lookers:
        lacking = list(lookers.map(lambda each: lacks_file(source.payloads, each[1]), found))
    return [
        _Item(entry, recorded, lacks)
        for (entry, recorded), lacks in zip(found, lacking, strict=True)
    ]


def _decode(source: Source, keys: Keys, entry: Entry) -> Recorded:
    """Return the event of a line; raises if its session or lane could not be put back rightly."""
    recorded = decode_entry(keys.partition, entry)
    event = recorded.event
    if isinstance(event, UnknownEvent):
        # Whether it left a state in its lane is known to the version that appended it.
        raise UndecodableEvent(
            f"partition {keys.partition}, position {recorded.position}: this version does not "
            f"know the kind {event.kind!r}, so it cannot put the event back; upgrade eventstore"
        )
    if partition_of(event.session_id, source.partitions) != keys.partition:
        raise JournalDamaged(
            f"journal {source.journal.store}, partition {keys.partition}",
            f"has at position {recorded.position} a session that lies in another one of "
            f"{source.partitions} partitions; set store.partitions to what the store has",
        )
    return recorded


def lacks_file(payloads: PayloadStore, recorded: Recorded) -> bool:
    """Return whether an event's payload should have a file by now, or soon, and has none."""
    event = recorded.event
    if event.payload is None or event.payload.place == "none":
        return False
    if event.payload.place == "digest":
        return not payloads.exists_digest(event.payload)
    session_id, ref, _, mime = payload_of(event)
    return not payloads.exists(session_id, ref, event.payload, mime)


def _readd(standing: Standing, at: End, batch: Sequence[_Item]) -> Flow[int | None]:
    """Put a batch back behind `at`; return how many of its payloads are lost, None if overtaken."""
    keys = standing.keys
    reply = yield from call(_call(keys, standing.epoch, at, batch))
    outcome, *details = reply
    if outcome == "ok":
        return int(details[0])
    if outcome in ("stale", "moved"):
        return None
    if outcome == "poisoned":
        raise Poisoned(f"{standing.where}: {details[0]}; `eventstore repair` shows what there is")
    position, problem = details
    raise Poisoned(
        f"{standing.where}: the event of the journal at position {position} does not fit the log "
        f"there: {problem}. `eventstore repair` shows what there is"
    )


def _call(keys: Keys, epoch: int, at: End, batch: Sequence[_Item]) -> Call[list[str]]:
    names: dict[str, int] = {}

    def number(*of: str) -> int:
        """Return the number of the first of some keys, which are declared one behind the other."""
        for name in of:
            names.setdefault(name, len(names) + 1)
        return names[of[0]]

    arguments: list[Argument] = [epoch, at.position, at.chain]
    for item in batch:
        event = item.recorded.event
        has_buffer = event.payload is not None and event.payload.place == "buffer"
        arguments += [
            bytes.fromhex(event.ref),
            bytes.fromhex(item.recorded.digest),
            number(keys.session(event.session_id), keys.session_log(event.session_id)),
            number(keys.payload(event.ref)) if has_buffer else 0,
            "1" if item.lacks_file else "0",
            *_opened_by(event),
            encode_state(event.lane_state()),
            *item.entry[1][1::2],
        ]
    own = (keys.meta, keys.stream, keys.refs, keys.sessions, keys.payload_missing)
    return Call(script("readd"), (*own, *names), tuple(arguments), _texts, control=True)


def _opened_by(event: Event) -> tuple[str, int | str]:
    """Return the lane that an event opens besides its own, and the lane's first index."""
    if isinstance(event, BranchForked):
        return branch_lane(event.branch_id), event.own
    return "", ""


def _texts(reply: list[bytes]) -> list[str]:
    return [value.decode() for value in reply]
