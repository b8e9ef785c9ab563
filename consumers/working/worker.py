"""A worker: takes its share of the slots and consumes them until it is stopped."""

from __future__ import annotations

import logging
import math
import secrets
import time
from typing import TYPE_CHECKING, Final

import anyio

from consumers.monitoring.health import SlotStatus, faults_of
from consumers.monitoring.reporting import Reporter
from consumers.working.slot import SlotRunner
from eventstore.consuming.access import StoreAccess
from eventstore.consuming.backoff import pause_after
from eventstore.consuming.lease import BEATS_PER_LEASE, PATIENCE_LEASES
from eventstore.consuming.membership import Member, Slot, assign, heartbeat, leave
from eventstore.errors import EventStoreError, Unavailable
from eventstore.flow import batch, call
from eventstore.health_payloads import stall_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anyio.abc import TaskGroup

    from consumers.working.groups import Factory
    from eventstore.settings import AppSettings

# From SIGTERM to exit there are 5 s: these for the batches in hand, these to let go of leases.
_GRACE_SECONDS: Final = 2.5
_FAREWELL_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class Worker:
    """Consumes groups over all partitions, as its share among the live workers.

    `groups` makes the work of each group that it serves; `slots` are all that it may come to
    own. For one event loop and one `run`.
    """

    def __init__(self, settings: AppSettings, groups: Mapping[str, Factory]) -> None:
        self.access = StoreAccess(settings, len(groups))
        self.slots: dict[Slot, SlotRunner] = {}
        for name, factory in groups.items():
            handler = factory(self.access)
            for keys in self.access.partitions:
                slot = Slot(name, keys.partition)
                self.slots[slot] = SlotRunner(self.access, handler, SlotStatus(slot))
        self._member = Member(secrets.token_hex(8), tuple(sorted(groups)))
        self._reporter = Reporter(self.access, self.name)
        self._seconds = settings.store.lease_seconds
        self._stopped = anyio.Event()
        self._fault: str | None = None

    @property
    def name(self) -> str:
        """The name of this worker among the members."""
        return self._member.worker

    @property
    def statuses(self) -> list[SlotStatus]:
        """What each slot does, as far as this worker knows."""
        return [runner.status for runner in self.slots.values()]

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop; its connections close soon."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Let `run` return: after the batches in hand, and within seconds in any case."""
        self._stopped.set()

    async def run(self) -> None:
        """Consume until `stop`; its leases and its place among the workers are free then.

        A store that is away is waited for. What no waiting cures at the start (`WrongStore`,
        `Poisoned`, …) is raised.
        """
        try:
            await self._open()
            async with anyio.create_task_group() as tasks:
                while not self._stopped.is_set():
                    await self._tick(tasks)
                    await self._wait(self._seconds / BEATS_PER_LEASE)
                for runner in self.slots.values():
                    runner.stop()
                tasks.cancel_scope.deadline = anyio.current_time() + _GRACE_SECONDS
        finally:
            with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
                await self._farewell()
            with anyio.CancelScope(shield=True):
                await self.access.close()

    async def _open(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            try:
                await self.access.run(batch([]))
            except Unavailable as error:
                failures += 1
                self._note(error)
                await self._wait(pause_after(failures))
            else:
                return

    async def _tick(self, tasks: TaskGroup) -> None:
        """Say that this worker lives, and bring every slot closer to where it should be."""
        try:
            members = await self._members()
            faults = faults_of(self.statuses, stall_of(self.access.payloads))
            await self._reporter.tell(faults, [member.worker for member in members])
            mine = self._assigned(members)
            free = [runner.lease for runner in self.slots.values() if not runner.lease.token]
            seen = await self.access.run(batch([lease.look_call() for lease in free]))
            now = time.monotonic()
            for lease, value in zip(free, seen, strict=True):
                lease.watch.look(value, now)
            for slot, runner in self.slots.items():
                await runner.follow(tasks, now, wanted=slot in mine)
        except EventStoreError as error:
            self._note(error)
        else:
            self._fault = None

    async def _members(self) -> list[Member]:
        ttl = math.ceil(PATIENCE_LEASES * self._seconds * 1000)
        first = self.access.partitions[0]
        return await self.access.run(call(heartbeat(first.workers, self._member, ttl)))

    def _assigned(self, members: Sequence[Member]) -> set[Slot]:
        owners = assign(members, len(self.access.partitions))
        return {slot for slot, worker in owners.items() if worker == self._member.worker}

    async def _farewell(self) -> None:
        for runner in self.slots.values():
            await runner.release()
        try:
            await self._reporter.withdraw()
            await self.access.run(call(leave(self.access.partitions[0].workers, self._member)))
        except EventStoreError as error:
            _log.warning("this worker stays on the list for a while: %s", error)

    async def _wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stopped.wait()

    def _note(self, error: EventStoreError) -> None:
        if str(error) != self._fault:
            self._fault = str(error)
            _log.warning("%s: %s", type(error).__name__, error)
