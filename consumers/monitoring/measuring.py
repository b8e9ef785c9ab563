"""The size of the journal, measured now and then: it takes a listing of all its files."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from consumers.applying.journal_group import JOURNAL_GROUP
from eventstore.consuming.membership import Slot
from eventstore.errors import EventStoreError
from eventstore.journal import Journal

if TYPE_CHECKING:
    from consumers.working.worker import Worker

MEASURE_SECONDS: Final = 900.0
_LOOK_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class JournalMeasure:
    """Measures the journal every quarter of an hour, in the worker that writes partition 0.

    `bytes` is None in every other worker, and until the first time.
    """

    def __init__(self, worker: Worker) -> None:
        self.bytes: int | None = None
        self._access = worker.access
        self._slot = worker.slots.get(Slot(JOURNAL_GROUP, 0))

    async def run(self) -> None:
        """Measure until cancelled."""
        due = 0.0
        while self._slot is not None:
            if not self._slot.status.owned:
                self.bytes, due = None, 0.0
            elif time.monotonic() >= due:
                await self._measure()
                due = time.monotonic() + MEASURE_SECONDS
            await anyio.sleep(_LOOK_SECONDS)

    async def _measure(self) -> None:
        try:
            uuid = await self._access.uuid()
            # Abandoned at shutdown if the filesystem hangs.
            self.bytes = await anyio.to_thread.run_sync(self._size, uuid, abandon_on_cancel=True)
        except EventStoreError as error:
            self.bytes = None
            _log.info("the size of the journal is not known: %s", error)

    def _size(self, uuid: str) -> int:
        journal = Journal(self._access.payloads, uuid)
        return sum(journal.extent(keys.partition).bytes for keys in self._access.partitions)
