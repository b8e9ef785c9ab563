"""The loop of an ordered group in one partition: read, fold, apply, each event exactly once.

Reading has no side effect. `lua/apply.lua` makes a batch's writes only if the checkpoint is
where the batch was read from and the log holds the history that it was folded from; anything
else drops what is in memory and starts over from the checkpoint.

An event whose handling keeps failing by its own fault is parked in such a script, in the place
of its writes, and the group goes on behind it.
"""

from __future__ import annotations

import enum
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from consumers.applying.cursor import Cursor
from consumers.applying.restarting import Restarting, restart_call
from consumers.guard import keep_trying
from eventstore.consuming.history import is_borne_out, upcoming
from eventstore.errors import Diverged
from eventstore.flow import call
from eventstore.known_secrets import redactor_for
from eventstore.parking.attempt import OwnFault, attempt
from eventstore.parking.blame import describe
from eventstore.parking.record import parked
from eventstore.parking.trial import Trial
from eventstore.views import checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.applying.handler import Handler
    from consumers.monitoring.health import SlotStatus
    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.consuming.apply import Applied
    from eventstore.keys import Keys
    from eventstore.views import Checkpoint

MAX_BATCH: Final = 500
_WAIT_MS: Final = 1000
_log = logging.getLogger(__name__)


class Ending(enum.Enum):
    """Why a loop ended."""

    STOPPED = "stopped"
    FENCED = "fenced"


class OrderedLoop:
    """Consumes one group's events of one partition under one acquisition of its lease."""

    def __init__(
        self,
        access: StoreAccess,
        keys: Keys,
        handler: Handler,
        token: str,
        status: SlotStatus,
    ) -> None:
        self._access = access
        self._keys = keys
        self._handler = handler
        self._token = token
        self._cursor = Cursor(access, keys, handler, handler.name, token)
        self._status = status
        self._trial = Trial(access.settings.consuming)
        self._stopped = anyio.Event()
        self._reading = anyio.CancelScope()

    def stop(self) -> None:
        """Let `run` return after the batch in hand; a wait for events ends at once."""
        self._stopped.set()
        self._reading.cancel()

    async def run(self) -> Ending:
        """Consume until `stop`, or until the lease turns out to be another's."""
        ending = await keep_trying(self._consume, self._status, self._stopped, self._trial.pause)
        return ending or Ending.STOPPED

    async def _consume(self) -> Ending:
        if not await self._load():
            return Ending.FENCED
        while not self._stopped.is_set():
            events = await self._read()
            if events:
                applied = await self._take(events)
                if applied.outcome == "fenced":
                    return Ending.FENCED
                if applied.outcome != "ok":
                    _log.info("%s: %s at %s", self._status.slot, applied.outcome, self._cursor.at)
                    if not await self._load():
                        return Ending.FENCED
                    continue
            self._status.advance(self._cursor.at.position)
        return Ending.STOPPED

    async def _take(self, events: Sequence[Recorded]) -> Applied:
        """Apply a batch, or park the only event of it that was tried often enough in vain."""
        found = await attempt(partial(self._cursor.advance, events))
        if not isinstance(found, OwnFault):
            self._trial.passed()
            return found
        if not (self._handler.parks and self._trial.failed(events)):
            raise found.error
        return await self._park(events[0], found.error)

    async def _park(self, event: Recorded, error: Exception) -> Applied:
        item = parked(
            event, describe(error, redactor_for(self._access.settings)), self._trial.tries
        )
        applied = await self._cursor.park(event, item)
        if applied.outcome == "ok":
            self._status.fail(error)
            self._trial.passed()
            _log.error(
                "%s: position %d is parked after %d tries (%s); `eventstore parked show %s %s` "
                "shows more",
                *(self._status.slot, item.position, item.attempts, item.error),
                *(self._handler.name, item.ref),
            )
        return applied

    async def _load(self) -> bool:
        """Take up the checkpoint, after comparing it with the log; False if fenced.

        Where the log ends before it or holds another chain there, the group begins anew if its
        handler can; else `Diverged` is raised.
        """
        at = await self._access.run(call(checkpoint(self._keys, self._handler.name)))
        while not await self._access.run(is_borne_out(self._keys, at)):
            if not await self._restart(at):
                return False
            at = await self._access.run(call(checkpoint(self._keys, self._handler.name)))
        self._cursor.at = at
        self._status.position = at.position
        return True

    async def _restart(self, at: Checkpoint) -> bool:
        """Let the group begin anew, unless its checkpoint moved meanwhile; False if fenced."""
        handler = self._handler
        if not isinstance(handler, Restarting):
            raise self._diverged(at)
        how = await handler.restart(at, self._keys)
        outcome = await self._access.run(
            call(restart_call(self._keys, handler.name, self._token, at, how))
        )
        if outcome == "ok":
            _log.warning(
                "%s: begins anew at %s: it was at %s, and the log holds another history there",
                *(self._status.slot, how.begin, at),
            )
            await handler.restarted(at, self._keys)
        return outcome != "fenced"

    async def _read(self) -> list[Recorded]:
        """Return the next events, none after a second without any or a call of `stop`."""
        self._reading = anyio.CancelScope()
        events: list[Recorded] = []
        with self._reading:
            if not self._stopped.is_set():
                at, decode = self._cursor.at, self._access.recent.decode
                limit = self._trial.limit(at.position, MAX_BATCH)
                reader = self._access.log.reader
                step = upcoming(reader, self._keys, at, limit, _WAIT_MS, decode)
                events = await self._access.run(step)
        return events

    def _diverged(self, at: Checkpoint) -> Diverged:
        return Diverged(
            f"partition {self._keys.partition}: the checkpoint of {self._handler.name} is {at}, "
            "and the log holds another history there; what the group wrote may stand for events "
            "that were lost. Rebuild it, or restore the log"
        )
