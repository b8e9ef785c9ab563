"""Competing of an asyncio program: the twin of `eventstore.competing.work`."""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
from redis.exceptions import RedisError

from eventstore.competing.handling import Deferrals
from eventstore.competing.item import AsyncWorkItem
from eventstore.competing.member import CompetingMember
from eventstore.competing.work import UNSETTLED
from eventstore.errors import EventStoreError, InvalidInput, Unavailable
from eventstore.parking.attempt import OwnFault, attempt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from eventstore.settings import AppSettings
    from eventstore.subscribing.wanted import Wanted

    AsyncHandler: TypeAlias = Callable[[AsyncWorkItem], Awaitable[Any]]


class AsyncCompeting:
    """Pieces of a group's work, shared with every process that competes; made by `compete`.

    The methods are those of `eventstore.competing.work.Competing`, awaited; what they promise is
    said there. The loop must not be blocked for long: it is what says that this process lives.
    """

    def __init__(self, settings: AppSettings, wanted: Wanted, in_flight: int) -> None:
        self._settings = settings
        self._wanted = wanted
        self._in_flight = in_flight
        self._member: CompetingMember | None = None
        self._running: asyncio.Task[None] | None = None
        self._stopped = False

    def __call__(self, handler: AsyncHandler) -> AsyncCompetingHandler:
        """Return what runs a handler for each piece; see `AsyncCompetingHandler`."""
        return AsyncCompetingHandler(self, handler, self._settings, self._in_flight)

    async def __aiter__(self) -> AsyncIterator[AsyncWorkItem]:
        """Yield pieces of work until `stop`; waits for more."""
        is_ours = self._member is None
        try:
            self.open()
            while (item := await self._next()) is not None:
                yield item
        finally:
            if is_ours:
                await self.close()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stopped

    def stop(self) -> None:
        """End the iteration, from any thread or a signal handler; returns at once."""
        self._stopped = True
        member = self._member
        if member is not None:
            member.stop_soon()

    async def close(self) -> None:
        """Stop, and give back what is in hand and not settled."""
        self._stopped = True
        member, running = self._member, self._running
        self._member = self._running = None
        if member is not None and running is not None:
            member.leave()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([running])
            if not running.cancelled():
                running.result()

    async def __aenter__(self) -> AsyncCompeting:
        self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def open(self) -> None:
        """Begin to take part, unless that is done; iterating does it too."""
        if self._member is None and not self._stopped:
            self._member = CompetingMember(self._settings, self._wanted, self._in_flight)
            # A task of its own: an iterator may be closed by another task than began it.
            self._running = asyncio.create_task(self._member.run())

    async def _next(self) -> AsyncWorkItem | None:
        member = self._member
        if member is None or self._stopped:
            return None
        if self._in_flight == 1 and member.settler.given:
            raise InvalidInput(UNSETTLED)
        piece = await member.next_piece()
        return None if piece is None else AsyncWorkItem(piece, member.settler)


class AsyncCompetingHandler:
    """A handler that is run for each piece of work; see `CompetingHandler`.

    With `in_flight` above 1, so many run at a time, each in a task.
    """

    def __init__(
        self,
        competing: AsyncCompeting,
        handler: AsyncHandler,
        settings: AppSettings,
        in_flight: int,
    ) -> None:
        if not inspect.iscoroutinefunction(handler):
            raise InvalidInput(f"handler: {handler!r} is no coroutine function; write `async def`")
        self._competing = competing
        self._handler = handler
        self._in_flight = in_flight
        self._deferrals = Deferrals(settings)

    async def __call__(self, item: AsyncWorkItem) -> Any:
        """Call the handler itself."""
        return await self._handler(item)

    async def run(self) -> None:
        """Handle work until `stop`; see `CompetingHandler.run`, also for what it raises."""
        async with self._competing as work:
            if self._in_flight == 1:
                async for item in work:
                    await self._handle(item)
            else:
                await self._run_many(work)

    def stop(self) -> None:
        """Let `run` return, from any thread or a signal handler; see `AsyncCompeting.stop`."""
        self._competing.stop()

    async def _run_many(self, work: AsyncCompeting) -> None:
        running: set[asyncio.Task[None]] = set()
        faults: list[BaseException] = []

        def note(done: asyncio.Task[None]) -> None:
            running.discard(done)
            error = None if done.cancelled() else done.exception()
            if error is not None:
                faults.append(error)
                self.stop()

        # Not a task group: that would cut the other handlers off, and raise a group of errors.
        try:
            try:
                async for item in work:
                    task = asyncio.create_task(self._handle(item))
                    running.add(task)
                    task.add_done_callback(note)
            except EventStoreError as error:
                faults.append(error)
            await _ended(running)
        finally:
            # Some are left only where this is cancelled.
            for task in running:
                task.cancel()
            with anyio.CancelScope(shield=True):
                await _ended(running)
        if faults:
            raise faults[0]

    async def _handle(self, item: AsyncWorkItem) -> None:
        try:
            found = await attempt(partial(self._handler, item))
        except (Unavailable, RedisError) as error:
            await self._settle(partial(item.defer, self._deferrals.pause(error)))
            return
        self._deferrals.none()
        if isinstance(found, OwnFault):
            await self._settle(partial(item.nack, error=found.error))
        else:
            await self._settle(item.ack)

    async def _settle(self, word: Callable[[], Awaitable[bool]]) -> None:
        """Say what became of a piece, through a store that is away, unless this is to stop."""
        while True:
            try:
                await word()
            except Unavailable as error:
                if not self._competing.stopped:
                    self._deferrals.unsettled(error)
                    continue
            return


async def _ended(running: set[asyncio.Task[None]]) -> None:
    while running:
        await asyncio.wait(running)
