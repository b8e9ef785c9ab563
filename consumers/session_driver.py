"""The session driver: starts the next tick of a session when the last one is over.

An ordered group, `ticks`, tells it what happened; it never asks a session that nothing happened
to. Any number of drivers may run: each partition has one at a time by lease, and a tick is
started once and given up once whoever tries, by the lanes that the decision expects.

Ticks that are under way are in the key `ticks:open` of their partition, written with the group's
checkpoint, so that the next owner of the partition knows until when each may take.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from consumers.applying.restarting import Restart
from consumers.working.service import serve_groups
from eventstore import metrics
from eventstore.commands import server_time
from eventstore.consuming.writes import Write
from eventstore.deciding import Deciding
from eventstore.errors import EventStoreError
from eventstore.events import (
    AgentFinished,
    AgentRegistered,
    AgentUnregistered,
    SessionClosed,
    SessionOpened,
    SessionTicked,
    TickAcked,
    TickStalled,
)
from eventstore.flow import Call, as_is, call
from eventstore.refs import derived_ref
from eventstore.state_errors import SessionEnded, TickRefused
from eventstore.ticking import Ticking
from eventstore.views import START

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.working.worker import Worker
    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from eventstore.settings import AppSettings
    from eventstore.ticks import Barrier
    from eventstore.views import Checkpoint

TICKS_GROUP: Final = "ticks"
DRIVER: Final = "session_driver"
_TELLING: Final = (
    *(SessionOpened, SessionClosed, AgentRegistered, AgentUnregistered, AgentFinished),
    *(SessionTicked, TickAcked, TickStalled),
)
_LOOK_SECONDS: Final = 0.5
_MAX_OVERDUE: Final = 100
_LOOKS_AT_ONCE: Final = 16
_log = logging.getLogger(__name__)


class TickHandler:
    """The work of the group `ticks`: start what is due, and note until when it may take."""

    name = TICKS_GROUP
    parks = True

    def __init__(self, access: StoreAccess) -> None:
        self._access = access
        self._timeout = access.settings.agent.tick_timeout
        log, appender = access.log, access.appender
        self._lookers = anyio.CapacityLimiter(_LOOKS_AT_ONCE)
        self.ticking = Ticking(log, appender, Deciding(log, appender))

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        """Start the next tick of each session that these events took past its last one.

        A tick is not begun twice, since its ref follows from its number.
        """
        del generation
        telling = [each for each in events if isinstance(each.event, _TELLING)]
        sessions = dict.fromkeys(each.event.session_id for each in telling)
        over: list[tuple[int, str]] = []
        faults: list[EventStoreError] = []
        async with anyio.create_task_group() as tasks:
            for session_id in sessions:
                tasks.start_soon(self._look, session_id, over, faults)
        if faults:
            raise faults[0]
        writes = _noted(telling, keys, round(self._timeout * 1000))
        # Behind what is noted: a tick that is over by now is not under way, whenever it began.
        return [*writes, *(_removed(keys, tick, session_id) for tick, session_id in over)]

    async def restart(self, seen: Checkpoint, keys: Keys) -> Restart:
        """Look at every session again; a tick is begun once, whoever looks how often."""
        books = (keys.open_ticks, *keys.parked(self.name, seen.generation).all)
        return Restart(START, keys=books)

    async def restarted(self, seen: Checkpoint, keys: Keys) -> None:
        """Nothing is left: what is under way is noted anew."""

    async def _look(
        self, session_id: str, over: list[tuple[int, str]], faults: list[EventStoreError]
    ) -> None:
        async with self._lookers:
            try:
                barrier = await self._drive(session_id)
            except EventStoreError as error:
                faults.append(error)
                return
        if barrier.is_over and barrier.tick:
            over.append((barrier.tick, session_id))

    async def _drive(self, session_id: str) -> Barrier:
        """Start a session's next tick if it is due; return where the ticks stood before."""
        barrier = await self._access.run(self.ticking.barrier(session_id))
        if not (barrier.is_over and barrier.is_open and barrier.live):
            return barrier
        ref = derived_ref("session.ticked", session_id, str(barrier.tick + 1))
        try:
            await self._access.run(self.ticking.start(session_id, barrier.tick, DRIVER, ref))
        except (TickRefused, SessionEnded) as refused:
            # Somebody was faster, or what it was decided by has changed: another event tells.
            _log.debug("%s", refused)
        return barrier

    async def give_up_overdue(self, keys: Keys) -> None:
        """Give up the ticks of a partition whose time is over, naming who they waited for."""
        now = await self._access.run(call(server_time()))
        # From the longest overdue; what does not fit is looked at the next time.
        args = ("-inf", now, "LIMIT", 0, _MAX_OVERDUE)
        step: Call[list[bytes]] = Call("ZRANGEBYSCORE", (keys.open_ticks,), args, as_is)
        for member in await self._access.run(call(step)):
            tick, _, session_id = member.decode().partition(":")
            await self._give_up(session_id, int(tick))

    async def _give_up(self, session_id: str, tick: int) -> None:
        barrier = await self._access.run(self.ticking.barrier(session_id))
        if barrier.tick != tick or not barrier.waiting:
            # It is over; the group has yet to read so.
            return
        ref = derived_ref("tick.stalled", session_id, str(tick))
        try:
            await self._access.run(self.ticking.give_up(session_id, tick, DRIVER, ref))
        except TickRefused as refused:
            _log.debug("%s", refused)
            return
        self._tell(session_id, barrier)

    def _tell(self, session_id: str, barrier: Barrier) -> None:
        stalled = ", ".join(barrier.waiting)
        _log.warning(
            "session %s: tick %d is given up after %g s without %s",
            *(session_id, barrier.tick, self._timeout, stalled),
        )
        metrics.emit("ticks_stalled_agents", len(barrier.waiting))


def _noted(events: Sequence[Recorded], keys: Keys, timeout_ms: int) -> list[Write]:
    """Return the writes that keep the ticks under way, in the order of the log."""
    writes: list[Write] = []
    for recorded in events:
        event = recorded.event
        if isinstance(event, SessionTicked):
            due = str(recorded.appended_at + timeout_ms)
            writes.append(_removed(keys, event.tick - 1, event.session_id))
            member = _member(event.tick, event.session_id)
            writes.append(Write("ZADD", keys.open_ticks, (due, member)))
        elif isinstance(event, TickStalled):
            writes.append(_removed(keys, event.tick, event.session_id))
    return writes


def _removed(keys: Keys, tick: int, session_id: str) -> Write:
    return Write("ZREM", keys.open_ticks, (_member(tick, session_id),))


def _member(tick: int, session_id: str) -> str:
    return f"{tick}:{session_id}"


async def drive_sessions(settings: AppSettings) -> None:
    """Drive all open sessions that have live agents, until SIGTERM, SIGINT or SIGHUP.

    Raises what `Worker.run` raises. Main thread only.
    """
    made: list[TickHandler] = []

    def factory(access: StoreAccess) -> TickHandler:
        made.append(TickHandler(access))
        return made[0]

    async def give_up(worker: Worker) -> None:
        await give_up_regularly(made[0], worker)

    await serve_groups(settings, {TICKS_GROUP: factory}, announce=False, beside=give_up)


async def give_up_regularly(handler: TickHandler, worker: Worker) -> None:
    """Give up overdue ticks in the partitions that a worker owns, until cancelled."""
    while True:
        await anyio.sleep(_LOOK_SECONDS)
        for slot, runner in worker.slots.items():
            if runner.status.owned:
                await _try_to_give_up(handler, worker, worker.access.partitions[slot.partition])


async def _try_to_give_up(handler: TickHandler, worker: Worker, keys: Keys) -> None:
    try:
        await handler.give_up_overdue(keys)
    except EventStoreError as error:
        # A worker that stops closes the connections that this look is made on.
        if not worker.is_stopping:
            _log.warning("ticks that are overdue wait for the next look: %s", error)
