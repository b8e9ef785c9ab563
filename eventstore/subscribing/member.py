"""A member of a subscriber group: its place among the others, its leases, what it hands out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from typing import TYPE_CHECKING, Final

import anyio

from eventstore.consuming.access import StoreAccess
from eventstore.consuming.backoff import pause_after
from eventstore.consuming.lease import BEATS_PER_LEASE, PATIENCE_LEASES, Lease, new_token
from eventstore.consuming.membership import Member, Slot, assign, heartbeat, leave
from eventstore.errors import EventStoreError, Unavailable
from eventstore.flow import batch, call
from eventstore.subscribing.beginning import begin_group
from eventstore.subscribing.chunk import Chunk
from eventstore.subscribing.feed import Feed
from eventstore.subscribing.standing import check_history, checkpoint_of

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from eventstore.keys import Keys
    from eventstore.settings import AppSettings
    from eventstore.subscribing.wanted import Wanted
    from eventstore.views import Checkpoint

_FAREWELL_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class GroupMember:
    """Consumes its share of a group's partitions, for one event loop and one `run`.

    Its methods are called in that loop, but for `stop_soon`.
    """

    def __init__(self, settings: AppSettings, wanted: Wanted) -> None:
        self._wanted = wanted
        self._access = StoreAccess(settings, groups=1)
        self._seconds = settings.store.lease_seconds
        self._leases = {
            keys: Lease(self._access, keys.lease(wanted.group), self._seconds)
            for keys in self._access.partitions
        }
        self._member = Member(new_token(), (wanted.group,))
        self._feeds: dict[Keys, Feed] = {}
        # How far this process was given each partition, whoever consumes it now.
        self._given: dict[Keys, Checkpoint] = {}
        self._unsettled: set[int] = set()
        self._send, self._receive = anyio.create_memory_object_stream[tuple[Feed, Chunk]]()
        self._receiving = anyio.CancelScope()
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._stopping = anyio.Event()
        self._leaving = anyio.Event()
        self._fault: EventStoreError | None = None
        self._noted = ""

    async def run(self) -> None:
        """Take part until `leave`; the leases and the place among the members are free then.

        A store that is away is waited for. What no waiting cures is raised by `next_chunk`.
        """
        try:
            if await self._open():
                async with anyio.create_task_group() as tasks:
                    while not self._leaving.is_set():
                        await self._tick(tasks)
                        await self._wait(self._seconds / BEATS_PER_LEASE)
                    tasks.cancel_scope.cancel()
        finally:
            self.stop()
            self._send.close()
            self._receive.close()
            with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
                await self._farewell()
            with anyio.CancelScope(shield=True):
                await self._access.close()

    async def next_chunk(self) -> tuple[Feed, Chunk] | None:
        """Return what is due next, waiting for it; None once stopped. Raises the group's fault."""
        self._receiving = anyio.CancelScope()
        with self._receiving:
            if not self._stopped and self._fault is None:
                return await self._receive.receive()
        if self._fault is not None:
            raise self._fault
        return None

    async def commit(self) -> bool:
        """Settle what was handed out; False if another member has taken over some of it."""
        for keys, feed in list(self._feeds.items()):
            if not await feed.commit():
                self._unsettled.add(keys.partition)
        lost, self._unsettled = self._unsettled, set()
        if lost:
            _log.warning(
                "group %s: partitions %s were taken over; what was not committed before is given "
                "to whoever has them now",
                self._wanted.group,
                sorted(lost),
            )
        return not lost

    def stop(self) -> None:
        """Hand out nothing more; what was may still be committed."""
        self._stopped = True
        self._stopping.set()
        self._receiving.cancel()
        for feed in self._feeds.values():
            feed.end()

    async def until_stopped(self, seconds: float) -> None:
        """Wait for `stop`, but so many seconds at most."""
        with anyio.move_on_after(seconds):
            await self._stopping.wait()

    def stop_soon(self) -> None:
        """Stop, called from any thread."""
        # A loop that is closed by now has nothing to stop.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.stop)

    def leave(self) -> None:
        """Let `run` return."""
        self.stop()
        self._leaving.set()

    async def _open(self) -> bool:
        """Set the group up unless it is there; return False if this has to end without."""
        failures = 0
        log, wanted = self._access.log, self._wanted
        while not self._leaving.is_set():
            try:
                await self._access.run(begin_group(log, wanted.group, wanted.start))
            except Unavailable as error:
                failures += 1
                self._note(error)
                await self._wait(pause_after(failures))
            except EventStoreError as error:
                self._fail(error)
                await self._leaving.wait()
            else:
                return True
        return False

    async def _tick(self, tasks: TaskGroup) -> None:
        """Say that this member lives, and bring every partition closer to where it should be."""
        try:
            mine = await self._assigned()
            free = [lease for lease in self._leases.values() if not lease.token]
            seen = await self._access.run(batch([lease.look_call() for lease in free]))
            now = time.monotonic()
            for lease, value in zip(free, seen, strict=True):
                lease.watch.look(value, now)
            for keys, lease in self._leases.items():
                await self._follow(tasks, keys, lease, now, wanted=keys.partition in mine)
        except Unavailable as error:
            self._note(error)
        except EventStoreError as error:
            self._fail(error)
        else:
            self._noted = ""

    async def _assigned(self) -> set[int]:
        ttl = math.ceil(PATIENCE_LEASES * self._seconds * 1000)
        first, group = self._access.partitions[0], self._wanted.group
        members = await self._access.run(call(heartbeat(first.members(group), self._member, ttl)))
        owners = assign(members, len(self._access.partitions))
        count = range(len(self._access.partitions))
        return {p for p in count if owners.get(Slot(group, p)) == self._member.worker}

    async def _follow(
        self, tasks: TaskGroup, keys: Keys, lease: Lease, now: float, *, wanted: bool
    ) -> None:
        feed = self._feeds.get(keys)
        if feed is None:
            # The lease is held already where what comes after it failed.
            if not wanted or self._stopped:
                await lease.release()
            elif await (lease.beat() if lease.token else lease.acquire(now)):
                await self._take_up(tasks, keys, lease)
            return
        held = await lease.beat()
        if not held or not wanted or feed.ended:
            feed.end()
        # After the end there may be one more commit, however late.
        grace = math.inf if self._stopped else self._seconds
        if not held or feed.may_let_go(grace):
            await self._let_go(keys, feed)

    async def _take_up(self, tasks: TaskGroup, keys: Keys, lease: Lease) -> None:
        group = self._wanted.group
        if keys in self._given:
            await self._access.run(check_history(keys, group, self._given[keys]))
        at = await self._access.run(call(checkpoint_of(keys, group)))
        await self._access.run(check_history(keys, group, at))
        feed = self._feeds[keys] = Feed(self._access, keys, self._wanted, lease, at)
        tasks.start_soon(self._serve, feed)

    async def _serve(self, feed: Feed) -> None:
        try:
            await feed.run(self._send)
        except EventStoreError as error:
            self._fail(error)

    async def _let_go(self, keys: Keys, feed: Feed) -> None:
        del self._feeds[keys]
        self._given[keys] = feed.target
        if not feed.is_settled:
            self._unsettled.add(keys.partition)
        await self._leases[keys].release()

    async def _farewell(self) -> None:
        try:
            for lease in self._leases.values():
                await lease.release()
            members = self._access.partitions[0].members(self._wanted.group)
            await self._access.run(call(leave(members, self._member)))
        except EventStoreError as error:
            _log.warning("group %s: this member stays for a while: %s", self._wanted.group, error)

    async def _wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._leaving.wait()

    def _fail(self, error: EventStoreError) -> None:
        """Keep an error for whoever asks for the next events; the first is the one that counts."""
        self._fault = self._fault or error
        self._receiving.cancel()

    def _note(self, error: EventStoreError) -> None:
        if str(error) != self._noted:
            self._noted = str(error)
            _log.warning("group %s: %s: %s", self._wanted.group, type(error).__name__, error)
