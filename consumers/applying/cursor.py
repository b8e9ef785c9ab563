"""A checkpoint in one partition, and how batches of events move it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.consuming.apply import Applied, apply_call, fits
from eventstore.flow import call
from eventstore.parking.record import parking
from eventstore.views import START, Checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.applying.handler import Handler
    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.consuming.writes import Write
    from eventstore.keys import Keys
    from eventstore.parking.record import Parked


class Cursor:
    """Takes a handler's work past events, under one acquisition of a lease.

    `name` is the field of the checkpoint and the name of the lease. `at` is where the checkpoint
    is, once the caller has read it, for as long as every batch is answered `ok`. A checkpoint
    that is not `shown` is told neither to who waits nor to XINFO GROUPS.
    """

    def __init__(
        self,
        access: StoreAccess,
        keys: Keys,
        handler: Handler,
        name: str,
        token: str,
        *,
        shown: bool = True,
    ) -> None:
        self.at = START
        self._access = access
        self._keys = keys
        self._handler = handler
        self._name = name
        self._token = token
        self._shown = shown

    async def advance(self, events: Sequence[Recorded]) -> Applied:
        """Apply a batch, in halves if its writes are more than one script may make."""
        writes = await self._handler.writes(events, self.at.generation, self._keys)
        if len(events) > 1 and not fits(writes):
            half = len(events) // 2
            first = await self.advance(events[:half])
            return await self.advance(events[half:]) if first.outcome == "ok" else first
        return await self._apply(events[-1], writes)

    async def park(self, event: Recorded, item: Parked) -> Applied:
        """Take the checkpoint past an event that was given up, and park it, both or neither."""
        names = self._keys.parked(self._handler.name, self.at.generation)
        return await self._apply(event, parking(names, item))

    async def _apply(self, last: Recorded, writes: Sequence[Write]) -> Applied:
        after = Checkpoint(self.at.generation, last.position, last.chain)
        applied = await self._access.run(
            call(
                apply_call(
                    self._keys, self._name, self._token, self.at, after, writes, shown=self._shown
                )
            )
        )
        if applied.outcome == "ok":
            self.at = after
        return applied
