"""The log of a store: opening it, and reads that see every append the moment it is acknowledged.

All methods are flows; `eventstore.store` drives them.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from eventstore import commands
from eventstore.errors import (
    ArtifactNotFound,
    InvalidEvent,
    InvalidInput,
    Poisoned,
    Sealed,
    StoreUnreachable,
)
from eventstore.flow import Flow, batch, blocking, call
from eventstore.keys import Keys, partition_of
from eventstore.log_reader import ANEW, PAGE, LogReader
from eventstore.names import check_name
from eventstore.opening import Opened, look_at_server, open_store, silent, undamaged
from eventstore.refs import check_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from eventstore.codec import Recorded
    from eventstore.commands import Head
    from eventstore.connection import Guard, ServerIdentity
    from eventstore.embedded.damage import Damage
    from eventstore.payload_store import PayloadStore
    from eventstore.settings_models import StoreSettings

T = TypeVar("T")
# One lock for all logs of a process, taken over a fork by its parent so that no child gets it held.
_acknowledging: Final = threading.Lock()
os.register_at_fork(
    before=_acknowledging.acquire,
    after_in_parent=_acknowledging.release,
    after_in_child=_acknowledging.release,
)


class Log:
    """The log over all partitions. Safe to share between threads."""

    def __init__(
        self,
        settings: StoreSettings,
        guard: Guard,
        control: Guard,
        reconnect: Callable[[], object],
        prepare: Callable[[], object],
        payloads: PayloadStore,
        damage: Callable[[], Damage | None] = undamaged,
    ) -> None:
        self.settings = settings
        self.reader = LogReader(payloads, self.open)
        self.partitions = tuple(Keys(settings.namespace, p) for p in range(settings.partitions))
        self._guard = guard
        self._control = control
        self.payloads = payloads
        self.reconnect = reconnect
        self._prepare = prepare
        self._damage = damage
        self._opened: Opened | None = None
        self._uuid = ""
        self._acknowledged: dict[int, tuple[int, str]] = {}

    def keys_of(self, session_id: str) -> Keys:
        """Return the keys of the partition that holds a session. Raises `InvalidName`."""
        check_name("session_id", session_id)
        return self.partitions[partition_of(session_id, len(self.partitions))]

    def open(
        self,
        *,
        candidate: str | None = None,
        report: Callable[[int, int, int], object] = silent,
    ) -> Flow[Opened]:
        """Return the opened store, opening it if this has not been done.

        `candidate` is the uuid of the store to make if there is none; `report` is told a
        partition, how far its log is and where it will end, while events are put back.
        """
        opened = self._opened
        return opened if opened is not None else (yield from self._open(candidate, report))

    def _open(
        self,
        candidate: str | None = None,
        report: Callable[[int, int, int], object] = silent,
    ) -> Flow[Opened]:
        yield from blocking(self.reconnect)
        with _acknowledging:
            remembered = dict(self._acknowledged)
        opened = yield from open_store(
            self.partitions,
            self.settings,
            self._control,
            self.payloads,
            self._uuid,
            remembered,
            prepare=self._prepare,
            candidate=candidate,
            report=report,
            damage=self._damage,
        )
        self._uuid = opened.uuid
        self._guard.admitted = opened.identity
        self._opened = opened
        return opened

    def look(self) -> Flow[ServerIdentity]:
        """Return which instance the server is, without opening the store on it.

        From then on calls that are `control` reach this instance only.
        """
        yield from blocking(self.reconnect)
        self._control.admitted = None
        identity = yield from look_at_server(self.settings)
        self._control.admitted = identity
        return identity

    @property
    def opened(self) -> Opened | None:
        """The opened store, None if it is to be opened at the next use."""
        return self._opened

    def forget(self) -> None:
        """Look at the server again before the next append or read."""
        self._opened = None

    def acknowledge(self, partition: int, position: int, chain: str) -> None:
        """Remember what was acknowledged: an instance that lacks it is refused at open."""
        with _acknowledging:
            if position > self.acknowledged(partition):
                self._acknowledged[partition] = (position, chain)

    def acknowledged(self, partition: int) -> int:
        """Return the last position of a partition that this process appended; 0 for none."""
        return self._acknowledged.get(partition, (0, ""))[0]

    def ready(self, flow: Callable[[], Flow[T]]) -> Flow[T]:
        """Run a read, opening the store first and again if its server was replaced."""
        yield from self.open()
        try:
            return (yield from flow())
        except (Sealed, StoreUnreachable):
            yield from self._open()
            return (yield from flow())

    def heads(self) -> Flow[list[Head]]:
        """Return the end of every partition. Raises `Diverged` if one is gone."""
        found = yield from batch([commands.head(keys) for keys in self.partitions])
        heads = [head for head in found if head is not None]
        if len(heads) < len(found):
            raise commands.gone(self.partitions[found.index(None)])
        return heads

    def find(self, ref: str) -> Flow[Recorded]:
        """Return the event with this ref, wherever it lies. Raises `ArtifactNotFound`."""
        try:
            check_ref(ref)
        except InvalidEvent:
            # What is no ref is the ref of nothing.
            raise ArtifactNotFound(ref) from None
        hits = yield from batch([commands.find_refs(keys, [ref]) for keys in self.partitions])
        for keys, (hit,) in zip(self.partitions, hits, strict=True):
            if hit is not None:
                return (yield from self.reader.at_positions(keys, [hit[0]]))[0]
        # After the refs: what is in neither was trimmed before, and this says up to where.
        trimmed = yield from batch([commands.trimmed(keys) for keys in self.partitions])
        for keys, upto in zip(self.partitions, trimmed, strict=True):
            places = yield from self.reader.places(keys, [ref], upto)
            if ref in places:
                return (yield from self.reader.at_positions(keys, [places[ref].position]))[0]
        raise ArtifactNotFound(ref)

    def read(
        self,
        session_id: str,
        *,
        from_seq: int = 0,
        to_seq: int | None = None,
        backwards: bool = False,
        limit: int | None = None,
    ) -> Flow[list[Recorded]]:
        """Return a session's events in order of seq, from `from_seq` up to but not `to_seq`.

        `backwards` returns the last first; `limit` cuts what comes after it in that order.
        """
        _check_range(from_seq, to_seq, limit)
        keys = self.keys_of(session_id)
        first, stop = from_seq, to_seq
        if limit is not None and backwards:
            length = yield from call(commands.session_length(keys, session_id))
            stop = length if stop is None else min(stop, length)
            first = max(first, stop - limit)
        elif limit is not None:
            stop = first + limit if stop is None else min(stop, first + limit)
        if stop is not None and stop <= first:
            return []
        last = -1 if stop is None else stop - 1
        positions = yield from self.reader.session_positions(keys, session_id, first, last)
        if backwards:
            positions.reverse()
        return (yield from self.reader.at_positions(keys, positions))

    def at_positions(self, keys: Keys, positions: Sequence[int]) -> Flow[list[Recorded]]:
        """Return the events at these positions, in the order given."""
        return self.reader.at_positions(keys, positions)

    def read_all(
        self,
        partition: int,
        *,
        after: int = 0,
        kinds: Collection[str] | None = None,
        limit: int | None = None,
    ) -> Flow[list[Recorded]]:
        """Return a partition's events after a position, of these kinds, at most `limit`.

        Raises `Poisoned` if the log has a gap there.
        """
        _check_range(after, None, limit)
        if not 0 <= partition < len(self.partitions):
            raise InvalidInput(
                f"partition: there are {len(self.partitions)}, counted from 0; {partition} is none"
            )
        keys = self.partitions[partition]
        result: list[Recorded] = []
        position = after
        while limit is None or len(result) < limit:
            wanted = PAGE if limit is None or kinds is not None else min(PAGE, limit - len(result))
            page = yield from self.reader.events(keys, position + 1, None, wanted)
            if not page:
                break
            _check_dense(keys, position, page)
            position = page[-1].position
            result += [each for each in page if kinds is None or each.event.kind in kinds]
        return result if limit is None else result[:limit]


def _check_dense(keys: Keys, after: int, page: Sequence[Recorded]) -> None:
    for wanted, found in enumerate((each.position for each in page), start=after + 1):
        if found != wanted:
            raise Poisoned(
                f"partition {keys.partition}: position {wanted} is gone from the log, the next "
                f"one kept is {found}; {ANEW}"
            )


def _check_range(first: int, last: int | None, limit: int | None) -> None:
    for name, value in (("from", first), ("to", last), ("limit", limit)):
        if value is not None and value < 0:
            raise InvalidInput(f"{name}: counts from 0, {value} is below it")
