"""A process that competes: it takes part, says that it lives, and lets go at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from eventstore.competing import calls
from eventstore.competing.beginning import begin_competing, mend_competing
from eventstore.competing.hands import Hands
from eventstore.competing.settling import Settler
from eventstore.competing.taking import Taking
from eventstore.consuming.access import StoreAccess
from eventstore.consuming.backoff import pause_after
from eventstore.consuming.lease import new_token
from eventstore.errors import CommandFailed, EventStoreError, Unavailable
from eventstore.flow import call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from eventstore.competing.piece import Piece
    from eventstore.keys import Keys
    from eventstore.settings import AppSettings
    from eventstore.subscribing.wanted import Wanted

_BEATS_PER_TAKEOVER: Final = 3
_FAREWELL_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class CompetingMember:
    """Takes work of a group, at most `in_flight` pieces at a time, for one loop and one `run`.

    Its methods are called in that loop, but for `stop_soon`.
    """

    def __init__(self, settings: AppSettings, wanted: Wanted, in_flight: int) -> None:
        self._wanted = wanted
        self._access = StoreAccess(settings, groups=2)
        self._takeover_ms = math.ceil(settings.consuming.takeover_seconds * 1000)
        self._hands = Hands(in_flight)
        self.settler = Settler(self._access, wanted.group, self._hands)
        self._send, self._receive = anyio.create_memory_object_stream["Piece"](math.inf)
        self._taking = Taking(
            self._access, wanted, self._hands, self.settler, self._send, self._guard
        )
        self._token = new_token()
        self._receiving = anyio.CancelScope()
        self._taken_part = anyio.CancelScope()
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._leaving = anyio.Event()
        self._fault: EventStoreError | None = None
        self._noted = ""

    async def run(self) -> None:
        """Take part until `leave`; what is still in hand then goes back.

        A store that is away is waited for. What no waiting cures is raised by `next_piece`.
        """
        try:
            if await self._begin():
                async with anyio.create_task_group() as tasks:
                    await self._keep_on(partial(self._beat, tasks), once=True)
                    tasks.start_soon(self._take_part)
                    while not self._leaving.is_set():
                        await self._wait(self._takeover_ms / 1000 / _BEATS_PER_TAKEOVER)
                        await self._guard(partial(self._beat, tasks))
                    tasks.cancel_scope.cancel()
        finally:
            self.stop()
            self._send.close()
            self._receive.close()
            with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
                await self._farewell()
            with anyio.CancelScope(shield=True):
                await self._access.close()

    async def next_piece(self) -> Piece | None:
        """Return a piece of work, waiting for it; None once stopped. Raises the group's fault."""
        self._receiving = anyio.CancelScope()
        with self._receiving:
            while not self._stopped and self._fault is None:
                piece = await self._receive.receive()
                if self._hands.holds(piece.taken):
                    self.settler.give(piece)
                    return piece
        if self._fault is not None:
            raise self._fault
        return None

    def stop(self) -> None:
        """Take nothing more; what is in hand may still be settled, and is kept alive till then."""
        self._stopped = True
        self._receiving.cancel()
        self._taken_part.cancel()

    def stop_soon(self) -> None:
        """Stop, called from any thread."""
        # A loop that is closed by now has nothing to stop.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.stop)

    def leave(self) -> None:
        """Let `run` return."""
        self.stop()
        self._leaving.set()

    async def _begin(self) -> bool:
        """Set the group up unless it is there; return False if this has to end without."""
        return await self._keep_on(self._set_up, once=True)

    async def _set_up(self) -> None:
        await self._access.run(begin_competing(self._access.log, self._wanted))

    async def _mend(self) -> None:
        await self._access.run(mend_competing(self._access.log, self._wanted.group))

    async def _take_part(self) -> None:
        with self._taken_part:
            async with anyio.create_task_group() as tasks:
                for keys in self._access.partitions:
                    for work in (self._taking.dispatch, self._taking.take):
                        tasks.start_soon(self._keep_on, partial(work, keys))

    async def _keep_on(self, work: Callable[[], Awaitable[None]], *, once: bool = False) -> bool:
        """Do something again and again, or until it was done once; True if it was."""
        failures = 0
        while not self._stopped and self._fault is None:
            if await self._guard(work):
                failures = 0
                if once:
                    return True
            else:
                failures += 1
                await self._wait(pause_after(failures))
        if once:
            await self._leaving.wait()
        return False

    async def _beat(self, tasks: TaskGroup) -> None:
        """Say that this process lives and works; take over from those who no longer do."""
        first, group = self._access.partitions[0], self._wanted.group
        step = calls.seat(first, group, self._token, self._takeover_ms)
        self._taking.seat = await self._access.run(call(step))
        for keys in self._access.partitions:
            await self._renew(keys)
            if not self._stopped and self._fault is None:
                taken = await self._taking.claim(keys, self._takeover_ms)
                if taken:
                    # In a task of its own: loading may take longer than a beat.
                    tasks.start_soon(self._taking.hand_out, taken)

    async def _renew(self, keys: Keys) -> None:
        held = {each.entry: each for each in self._hands.of(keys)}
        if held:
            lost = await self._access.run(
                call(calls.renew(keys, self._wanted.group, held.values()))
            )
            for entry in lost:
                self.settler.lose(held[entry])

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do something; return whether it was done. What no waiting cures ends the taking."""
        try:
            await work()
        except Unavailable as error:
            self._note(error)
            return False
        except CommandFailed as error:
            if not calls.says_no_group(error):
                self._fail(error)
            elif not self._stopped:
                # Somebody destroyed the consumer group of the work, or the work itself.
                self._note(error)
                await self._guard(self._mend)
            return False
        except EventStoreError as error:
            self._fail(error)
            return False
        self._noted = ""
        return True

    async def _farewell(self) -> None:
        try:
            await self.settler.give_back_all()
            first = self._access.partitions[0]
            group, ttl = self._wanted.group, self._takeover_ms
            await self._access.run(call(calls.seat(first, group, self._token, ttl, leaving=True)))
        except EventStoreError as error:
            _log.warning("group %s: what is in hand goes back later: %s", self._wanted.group, error)

    async def _wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._leaving.wait()

    def _fail(self, error: EventStoreError) -> None:
        """Keep an error for whoever asks for the next piece; the first is the one that counts."""
        self._fault = self._fault or error
        self._receiving.cancel()
        self._taken_part.cancel()

    def _note(self, error: EventStoreError) -> None:
        if str(error) != self._noted:
            self._noted = str(error)
            _log.warning("group %s: %s: %s", self._wanted.group, type(error).__name__, error)
