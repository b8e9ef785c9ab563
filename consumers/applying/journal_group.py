"""The journal group: writes the log to the journal, a segment for each batch that it takes.

Under load a batch, and so a segment, has up to 500 events; in a quiet hour each event has a
file. Nothing waits for more, so what is not in the journal yet is what the group lags behind.

A segment is whole and durable before the checkpoint moves. The writer goes on from the end of
what lies in storage, not from its checkpoint: segments that a killed worker left are taken as
they are if they are of this history, and nothing is written twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread

from consumers.applying.restarting import Restart
from eventstore import commands
from eventstore.errors import Diverged, Poisoned
from eventstore.flow import Call, call
from eventstore.journal import End, Journal
from eventstore.journal_stores import StoreRecord, record_store
from eventstore.keys import position_of
from eventstore.log_reader import PAGE
from eventstore.views import START

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from eventstore.views import Checkpoint
    from projections.base import Write

T = TypeVar("T")
JOURNAL_GROUP: Final = "journal"
_WRITERS: Final = 8


class JournalHandler:
    """The journal group's work on a batch: an effect in storage, and no writes.

    Raises `Diverged` if the journal holds another history, `PayloadStoreError` while its
    storage is down, `Poisoned` if the stream lacks what the journal does not have.
    """

    name = JOURNAL_GROUP
    # A journal with a gap would not be the log again.
    parks = False

    def __init__(self, access: StoreAccess) -> None:
        self._access = access
        self._writers = anyio.CapacityLimiter(_WRITERS)
        # Where the last batch of a partition ended, by store: a listing saved for the next one.
        self._ends: dict[tuple[str, int], End] = {}
        # Stores whose journal says whose it is.
        self._recorded: set[str] = set()

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        """Take the journal past some events."""
        del generation  # The journal is not a read model: nothing rebuilds it.
        # From the partition itself: a restore makes it a part of the store that was lost.
        uuid = await self._access.run(call(_uuid(keys)))
        journal = Journal(self._access.payloads, uuid)
        if uuid not in self._recorded:
            await self._in_thread(record_store, self._access.payloads, self._record(uuid))
            self._recorded.add(uuid)
        place = (uuid, keys.partition)
        end = self._ends.pop(place, None)
        if end is None or end.position != events[0].position - 1:
            end = await self._in_thread(journal.end, keys.partition)
        last = events[-1]
        if end.position >= last.position:
            await self._check_agrees(journal, last)
        while end.position < last.position:
            end = await self._extend(journal, keys, end, last.position)
        self._ends[place] = end
        return ()

    async def restart(self, seen: Checkpoint, keys: Keys) -> Restart:
        """Compare all of the log with the journal again, and write what that lacks."""
        del seen, keys  # The group keeps nothing in the server but its checkpoint.
        return Restart(START)

    async def restarted(self, seen: Checkpoint, keys: Keys) -> None:
        """Nothing is left: what another history wrote is not in this journal."""

    def _record(self, uuid: str) -> StoreRecord:
        partitions = self._access.partitions
        return StoreRecord(uuid, partitions[0].namespace, len(partitions))

    async def _extend(self, journal: Journal, keys: Keys, end: End, last: int) -> End:
        page = await self._access.run(call(commands.entries(keys, end.position + 1, last, PAGE)))
        if not page or position_of(page[0][0]) != end.position + 1:
            raise Poisoned(
                f"partition {keys.partition}: the journal ends at {end.position}, and the log no "
                "longer holds what comes after it; restore the missing segments from a backup"
            )
        return await self._in_thread(journal.extend, keys.partition, end, page)

    async def _check_agrees(self, journal: Journal, last: Recorded) -> None:
        chain = await self._in_thread(journal.chain_at, last.partition, last.position)
        if chain != last.chain:
            raise Diverged(
                f"partition {last.partition}: at position {last.position} the log has the chain "
                f"{last.chain}, the journal {chain}; they are two histories. "
                "`eventstore repair` shows both, and keeps the one that you choose"
            )

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        # Abandoned at shutdown if the filesystem hangs: what it wrote is found in storage.
        return await anyio.to_thread.run_sync(
            function, *args, limiter=self._writers, abandon_on_cancel=True
        )


def _uuid(keys: Keys) -> Call[str]:
    def parse(reply: bytes | None) -> str:
        if reply is None:
            raise commands.gone(keys)
        return reply.decode()

    return Call("HGET", (keys.meta,), ("uuid",), parse)
