"""One slot of a worker: its lease, and its loop while the lease is held."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from consumers.ordered import Ending, OrderedLoop
from eventstore.consuming.lease import Lease
from eventstore.consuming.reserving import reserve
from eventstore.errors import EventStoreError, GroupRefused

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from consumers.applying.handler import Handler
    from consumers.monitoring.health import SlotStatus
    from eventstore.consuming.access import StoreAccess

_log = logging.getLogger(__name__)


class SlotRunner:
    """Contends for a slot while it should be this worker's, and consumes while it is."""

    def __init__(self, access: StoreAccess, handler: Handler, status: SlotStatus) -> None:
        self.status = status
        self._access = access
        self._handler = handler
        self._keys = access.partitions[status.slot.partition]
        self.lease = Lease(
            access, self._keys.lease(handler.name), access.settings.store.lease_seconds
        )
        self._loop: OrderedLoop | None = None
        self._reserved = False

    async def follow(self, tasks: TaskGroup, now: float, *, wanted: bool) -> None:
        """Beat, contend or hand over, as is due; `now` is the monotonic clock.

        The lease's watch has just looked, unless the lease is held.
        """
        if self._loop is not None:
            if not await self.lease.beat() or not wanted:
                self.stop()
        elif wanted and await self._may_begin() and await self.lease.acquire(now):
            self._loop = OrderedLoop(
                self._access, self._keys, self._handler, self.lease.token, self.status
            )
            tasks.start_soon(self._serve, self._loop)
        elif not wanted and not self._reserved:
            # What keeps the name from the group is told by whose turn it is.
            self.status.advance(self.status.position)

    async def _may_begin(self) -> bool:
        """Return whether the slot is free for this worker, and the group's name the group's own.

        A program's group of that name is looked for again each time: it may be deleted.
        """
        if self.lease.token:
            return False
        if not self._reserved:
            try:
                await self._access.run(reserve(self._access.partitions[0], self._handler.name))
            except GroupRefused as error:
                if self.status.error is None:
                    _log.error("%s: %s", self.status.slot, error)
                self.status.fail(error)
                return False
            self._reserved = True
        return True

    def stop(self) -> None:
        """End the loop after the batch in hand; the lease is let go of then."""
        if self._loop is not None:
            self._loop.stop()

    async def _serve(self, loop: OrderedLoop) -> None:
        self.status.owned = True
        _log.info("%s: taken up", self.status.slot)
        try:
            ending = await loop.run()
            if ending is Ending.FENCED:
                self.lease.drop()
            else:
                await self.release()
            _log.info("%s: %s", self.status.slot, ending.value)
        finally:
            self.status.owned = False
            self._loop = None

    async def release(self) -> None:
        """Let go of the lease if it is held; if the store is away, others wait it out."""
        try:
            await self.lease.release()
        except EventStoreError as error:
            _log.warning("%s: the lease stays behind: %s", self.status.slot, error)
