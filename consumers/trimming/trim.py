"""Trimming a partition, step by step: what the journal has whole leaves the server with its refs.

A step reads what it is about to trim from the journal's storage, makes sure that it is durable
there, writes the index of it, and calls `lua/trim.lua`, which checks everything else: the epoch,
the retention rule, every group's checkpoint, and by the chain that stream and journal are one
history. Killed anywhere it leaves more than is needed, never less; several may trim at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as made
from typing import TYPE_CHECKING, Final

from consumers.trimming.indexing import IndexWriter
from eventstore import commands
from eventstore.errors import Diverged, Poisoned, Sealed
from eventstore.flow import Call, Flow, blocking, call
from eventstore.journal import Journal
from eventstore.journal_format import field, partition_folder
from eventstore.journal_reader import JournalReader
from eventstore.keys import position_of
from eventstore.retention import is_older, look
from eventstore.scripts import script

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.flow import Argument
    from eventstore.journal_format import Entry
    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.payload_store import PayloadStore
    from eventstore.retention import Rule, Standing

STEP: Final = 4_000


@dataclass(frozen=True)
class Trimmed:
    """What trimming a partition did: `events` left the server.

    `standing` is what was found at the end. `journalled` is the last position that the journal is
    known to hold, None if nobody looked, since nothing else let an event go.
    """

    events: int
    standing: Standing
    journalled: int | None


@dataclass(frozen=True)
class Trimmer:
    """Trims partitions of one store by a rule.

    `groups` hold events back also before they began. All methods are flows. They raise `Sealed`
    if another server instance took over, `Diverged` if journal and stream are two histories,
    `Poisoned` if the partition's books disagree, and what reading the journal and writing its
    index raise.
    """

    log: Log
    payloads: PayloadStore
    rule: Rule
    groups: Sequence[str]
    _readers: dict[str, JournalReader] = made(default_factory=dict, init=False)

    def trim(
        self,
        keys: Keys,
        most: int | None = None,
        least: int = 1,
        progress: Callable[[int], object] = lambda _events: None,
    ) -> Flow[Trimmed]:
        """Trim a partition of all that may go, or of `most` events or a few more.

        Does nothing if fewer than `least` may go. `progress` is told how many went so far.
        """
        opened = yield from self.log.open()
        reader = self._reader(opened.uuid)
        index = IndexWriter(self.payloads, opened.uuid, reader)
        done = 0
        end: int | None = None
        while True:
            standing = yield from look(keys, self.rule, self.groups)
            first, last = standing.first, min(standing.due, standing.passed)
            if last - first + 1 < (1 if done else least) or (most and done >= most):
                return Trimmed(done, standing, end)
            if not done:
                # An earlier run's listing serves, but no more: what it read there may be gone.
                reader.begin_at(keys.partition, first)
                yield from blocking(index.complete, keys.partition, first - 1)
            last = min(last, first + STEP - 1)
            end = yield from blocking(reader.end, keys.partition, last)
            last = min(last, end - 1)
            if last < first:
                return Trimmed(done, standing, end)
            entries = yield from blocking(self._read, reader, opened.uuid, keys, first, last)
            entries = yield from self._old_enough(entries)
            if not entries or not (yield from self._is_of_stream(keys, entries[-1])):
                return Trimmed(done, standing, end)
            yield from blocking(index.add, keys.partition, entries)
            epoch = opened.epochs[keys.partition]
            reply = yield from call(self._call(keys, epoch, entries, end))
            _raise_fault(keys, reply)
            if reply[0] == "ok":
                done += len(entries)
                progress(done)
                yield from blocking(index.merge, keys.partition, position_of(entries[-1][0]))
            elif reply[0] != "moved":
                return Trimmed(done, standing, end)

    def complete(self, keys: Keys) -> Flow[None]:
        """Write what the index lacks of what was trimmed, from the journal."""
        opened = yield from self.log.open()
        reader = JournalReader(Journal(self.payloads, opened.uuid))
        index = IndexWriter(self.payloads, opened.uuid, reader)
        upto = yield from call(commands.trimmed(keys))
        yield from blocking(index.complete, keys.partition, upto)

    def _reader(self, store: str) -> JournalReader:
        if store not in self._readers:
            self._readers[store] = JournalReader(Journal(self.payloads, store))
        return self._readers[store]

    def _read(
        self, reader: JournalReader, store: str, keys: Keys, first: int, last: int
    ) -> list[Entry]:
        """Return entries that the journal holds, whole and durable."""
        entries = reader.read(keys.partition, first, last)
        folder = partition_folder(store, keys.partition)
        with self.payloads.failing("writing", folder):
            self.payloads.files.settle(folder)
        return entries

    def _old_enough(self, entries: list[Entry]) -> Flow[list[Entry]]:
        """Return entries up to the first that the rule keeps for its age."""
        if not self.rule.keep_ms:
            return entries
        now: int = yield from call(commands.server_time())
        than_ms = now - self.rule.keep_ms
        kept = (n for n, entry in enumerate(entries) if not is_older(entry, than_ms))
        return entries[: next(kept, len(entries))]

    def _is_of_stream(self, keys: Keys, last: Entry) -> Flow[bool]:
        """Return whether the stream holds an entry of the journal; False if it is gone by now."""
        position = position_of(last[0])
        found = yield from call(commands.entries(keys, position, position, 1))
        if found and field(found[0], "chain") != field(last, "chain"):
            raise _two_histories(keys, position, field(found[0], "chain"))
        return bool(found)

    def _call(self, keys: Keys, epoch: int, entries: Sequence[Entry], end: int) -> Call[list[str]]:
        sessions = _sessions(entries)
        last = entries[-1]
        args: list[Argument] = [
            str(epoch),
            position_of(entries[0][0]),
            position_of(last[0]),
            field(last, "chain"),
            end,
            self.rule.keep_events,
            self.rule.keep_ms,
            max(map(_milliseconds, entries)),
            len(self.groups),
            *self.groups,
            *(bytes.fromhex(field(entry, "ref")) for entry in entries),
        ]
        names = [keys.meta, keys.stream, keys.refs, keys.checkpoints]
        for name, session in sessions.items():
            names += (keys.session(name), keys.session_log(name))
            args += (session.events, session.last)
        return Call(script("trim"), tuple(names), tuple(args), _texts)


@dataclass
class _Session:
    """What of a session is trimmed: how many events, the last position."""

    events: int = 0
    last: int = 0


def _sessions(entries: Sequence[Entry]) -> dict[str, _Session]:
    found: dict[str, _Session] = {}
    for entry in entries:
        session = found.setdefault(field(entry, "session"), _Session())
        session.events += 1
        session.last = position_of(entry[0])
    return found


def _milliseconds(entry: Entry) -> int:
    """Return the time in a ref of version 7, 0 for another."""
    ref = field(entry, "ref")
    return int(ref[:12], 16) if ref[12] == "7" else 0


def _texts(reply: list[bytes]) -> list[str]:
    return [value.decode() for value in reply]


def _raise_fault(keys: Keys, reply: Sequence[str]) -> None:
    where = f"partition {keys.partition}"
    if reply[0] == "stale":
        _, epoch, state = reply
        raise Sealed(f"{where} is {state} at epoch {epoch}, this process opened another epoch")
    if reply[0] == "poisoned":
        raise Poisoned(f"{where}: {reply[1]}; nothing was trimmed. `eventstore log verify`")
    if reply[0] == "diverged":
        raise _two_histories(keys, None, reply[1])


def _two_histories(keys: Keys, position: int | None, chain: str) -> Diverged:
    at = "" if position is None else f" at position {position}"
    return Diverged(
        f"partition {keys.partition}: the stream has the chain {chain}{at}, the journal another; "
        "nothing was trimmed. `eventstore journal verify` shows both"
    )
