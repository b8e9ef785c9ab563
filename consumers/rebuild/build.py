"""Building a generation of a projection in one partition, and putting it in the live one's place.

The new generation is folded from the start of the log up to where the live one is, by the same
script and under a checkpoint of its own. The switch is made only while both are at one place of
the log. The live group goes on meanwhile, so they are brought together in rounds: each takes
the new one to where the live one was when the round began, and tries the switch. After
`_ROUNDS` of them the live group's lease is seized: its owner's next apply is fenced, so the live
checkpoint stands still for the one round that is left to go. However much is appended, it ends.

An event that cannot be folded is parked in the new generation if the live one left it out too. Any
other ends the rebuild: what it would put in the live one's place would lack what that has.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from consumers.applying.cursor import Cursor
from consumers.applying.projecting import Projecting
from consumers.ordered import MAX_BATCH
from consumers.rebuild.memory import check_headroom
from consumers.rebuild.state import begin, shadow_name, standing, switch
from eventstore import commands
from eventstore.consuming.apply import Applied
from eventstore.consuming.history import is_borne_out, replay
from eventstore.consuming.hold import Hold
from eventstore.errors import Diverged, NotCaughtUp, RebuildRefused
from eventstore.flow import Flow, call
from eventstore.known_secrets import redactor_for
from eventstore.parking.attempt import OwnFault, attempt
from eventstore.parking.blame import describe
from eventstore.parking.reading import left_out, live_keys
from eventstore.parking.record import parked
from eventstore.parking.trial import Trial
from eventstore.settings_models import ConsumingSettings
from eventstore.views import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from eventstore.views import Checkpoint
    from projections.base import Projection

_ROUNDS: Final = 20
_BATCHES_A_LOOK: Final = 100


class Build:
    """The building of one generation in one partition, from wherever it was left.

    `events` counts those folded here. `report` is told the position and where the round ends.
    """

    def __init__(
        self,
        access: StoreAccess,
        keys: Keys,
        projection: Projection,
        generation: int,
        report: Callable[[int, int], object],
    ) -> None:
        self.events = 0
        self._access = access
        self._keys = keys
        self._group = projection.name
        self._generation = generation
        self._report = report
        self._handler = Projecting(access, projection)
        self._name = shadow_name(self._group, generation)
        self._lease = Hold(access, keys.lease(self._name))
        self._live_lease = Hold(access, keys.lease(self._group))
        # A fold is pure: the same event fails again, so once is enough.
        self._trial = Trial(ConsumingSettings(attempts=1))

    async def run(self) -> None:
        """Build until the generation is live.

        Raises `RebuildRefused` if another rebuild is under way or memory runs out, `Diverged` if
        what was built before is of another history than the log, and `NotCaughtUp` if the live
        group is behind it.
        """
        if not await self._lease.take():
            raise self._refused("is under way")
        try:
            cursor = await self._begin()
            await self._take_over(cursor)
        finally:
            await self._lease.release()

    async def _begin(self) -> Cursor:
        answer = await self._access.run(
            call(begin(self._keys, self._group, self._generation, self._lease.token))
        )
        if answer.outcome != "ok":
            raise self._refused("took this one over")
        found = await self._access.run(call(standing(self._keys, self._group)))
        if self._generation not in found.building:
            raise self._refused("took this one over")
        at = found.building[self._generation]
        await self._check_history(at)
        cursor = Cursor(
            self._access, self._keys, self._handler, self._name, self._lease.token, shown=False
        )
        cursor.at = at
        return cursor

    async def _take_over(self, cursor: Cursor) -> None:
        for _ in range(_ROUNDS):
            if await self._round(cursor):
                return
        while True:
            await self._live_lease.seize()
            try:
                # Only if this lease is lost in turn there is another round to go.
                if await self._round(cursor):
                    return
            finally:
                await self._live_lease.release()

    async def _round(self, cursor: Cursor) -> bool:
        """Build up to where the live generation is; return whether the switch was made."""
        live = await self._access.run(call(checkpoint(self._keys, self._group)))
        last = await self._goal(live)
        if last < cursor.at.position:
            raise NotCaughtUp(self._group, last, cursor.at.position, 0.0)
        await self._build_to(cursor, last)
        step = switch(self._keys, self._group, self._lease.token, live.generation, cursor.at)
        answer = await self._access.run(call(step))
        if answer.outcome == "ok":
            return True
        if answer.outcome != "behind":
            raise self._refused("took this one over")
        # Of a history that the log has lost meanwhile, no round would come to the live one.
        await self._check_history(cursor.at)
        return False

    async def _check_history(self, at: Checkpoint) -> None:
        """Raise `Diverged` unless the log may hold what the generation was built from."""
        if not await self._access.run(is_borne_out(self._keys, at)):
            raise Diverged(
                f"partition {self._keys.partition}: what was rebuilt of {self._group!r} is at "
                f"{at}, and the log holds another history there; give it up with --abort and "
                "rebuild anew"
            )

    async def _goal(self, live: Checkpoint) -> int:
        """Return the position to build to: the live one, or the log's end if the log lacks it."""
        if await self._access.run(is_borne_out(self._keys, live)):
            return live.position
        head = await self._access.run(call(commands.head(self._keys)))
        return head.position if head is not None else 0

    async def _build_to(self, cursor: Cursor, last: int) -> None:
        batches = 0
        while cursor.at.position < last:
            if batches % _BATCHES_A_LOOK == 0:
                await self._access.run(check_headroom(0))
            before = cursor.at.position
            limit = self._trial.limit(before, MAX_BATCH)
            step = replay(self._access.log.reader, self._keys, cursor.at, last, limit)
            applied = await self._take(cursor, await self._access.run(step))
            if applied.outcome == "diverged":
                raise Diverged(
                    f"partition {self._keys.partition}: the log changed its history before "
                    f"{last} while {self._group!r} was rebuilt; `eventstore doctor` shows more"
                )
            if applied.outcome != "ok":
                raise self._refused("took this one over")
            self.events += cursor.at.position - before
            batches += 1
            self._report(cursor.at.position, last)
            await self._lease.keep()
            await self._live_lease.keep()

    async def _take(self, cursor: Cursor, events: Sequence[Recorded]) -> Applied:
        """Apply a batch; of one that failed, each event alone, and park what the live one lacks."""
        found = await attempt(partial(cursor.advance, events))
        if not isinstance(found, OwnFault):
            return found
        if not self._trial.failed(events):
            return Applied("ok")
        [event] = events
        if not await self._access.run(self._is_left_out(event)):
            raise RebuildRefused(
                f"partition {self._keys.partition}: the event {event.event.ref} at position "
                f"{event.position} cannot be folded ({type(found.error).__name__}: "
                f"{found.error}), and the live read model has it; mend {self._group!r} and run "
                "it again, or give it up with --abort"
            ) from found.error
        fault = describe(found.error, redactor_for(self._access.settings))
        return await cursor.park(event, parked(event, fault, self._trial.tries))

    def _is_left_out(self, event: Recorded) -> Flow[bool]:
        names = yield from live_keys(self._keys, self._group)
        return bool((yield from call(left_out(names, event.position, event.position, 1))))

    def _refused(self, what: str) -> RebuildRefused:
        return RebuildRefused(
            f"partition {self._keys.partition}: another rebuild of {self._group!r} {what}; "
            "run it again when that has ended"
        )
