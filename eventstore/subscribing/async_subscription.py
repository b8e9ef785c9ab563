"""A subscription of an asyncio program: the twin of `eventstore.subscribing.subscription`."""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from redis.exceptions import RedisError

from eventstore.errors import InvalidInput, Unavailable
from eventstore.keys import Keys, partition_of
from eventstore.parking.attempt import OwnFault, attempt
from eventstore.subscribing.hand import Hand
from eventstore.subscribing.handling import Tries
from eventstore.subscribing.member import GroupMember

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from eventstore.consuming.writes import Write
    from eventstore.parking.record import Parked
    from eventstore.settings import AppSettings
    from eventstore.subscribing.delivered import Delivered
    from eventstore.subscribing.wanted import Wanted

    AsyncHandler: TypeAlias = Callable[[Delivered], Awaitable[Iterable[Write] | None]]

_CLOSED: Final = "the subscription is not open: commit inside its loop or its with block"


class AsyncSubscription:
    """The events of the log, in order, for a durable group; made by `subscribe`.

    The methods are those of `eventstore.subscribing.subscription.Subscription`, awaited; what
    they promise is said there.
    """

    def __init__(self, settings: AppSettings, wanted: Wanted) -> None:
        self._settings = settings
        self._wanted = wanted
        self._member: GroupMember | None = None
        self._running: asyncio.Task[None] | None = None
        self._hand = Hand()
        self._stopped = False

    def __call__(self, handler: AsyncHandler) -> AsyncSubscriber:
        """Return what runs a handler for each event; see `AsyncSubscriber`."""
        return AsyncSubscriber(self._settings, self._wanted.group, self, handler)

    async def __aiter__(self) -> AsyncIterator[Delivered]:
        """Yield events until `stop`; waits for new ones."""
        is_ours = self._member is None
        try:
            self._open()
            while (event := await self._next()) is not None:
                yield event
        finally:
            if is_ours:
                await self.close()

    async def commit(self) -> bool:
        """Settle every event that was yielded so far, the one in hand too."""
        return await self._opened().commit()

    def stop(self) -> None:
        """End the iteration, from any thread or a signal handler; returns at once."""
        self._stopped = True
        member = self._member
        if member is not None:
            member.stop_soon()

    async def close(self) -> None:
        """Stop, and let the group's other processes have the partitions."""
        self._stopped = True
        member, running = self._member, self._running
        self._member = self._running = None
        if member is not None and running is not None:
            member.leave()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([running])
            if not running.cancelled():
                running.result()

    def state_key(self, session_id: str, *names: str) -> str:
        """Return a key of the group's own state, in the partition that holds a session."""
        store = self._settings.store
        keys = Keys(store.namespace, partition_of(session_id, store.partitions))
        return keys.subscriber(self._wanted.group).of(*names)

    async def __aenter__(self) -> AsyncSubscription:
        self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def settle(self, event: Delivered, returned: Iterable[Write] | None) -> bool:
        """Make what a handler returned for an event together with the step past it."""
        self._opened()
        return await self._hand.feed.commit(event.check_writes(returned))

    async def park(self, item: Parked) -> bool:
        """Step past the event in hand and keep it as given up; raises as `commit` does."""
        self._opened()
        return await self._hand.feed.park(item)

    async def may_try_again(self, after_seconds: float) -> bool:
        """Wait before another try of the event in hand; False if it is not this process's then."""
        await self._opened().until_stopped(after_seconds)
        return not self._stopped and not self._hand.feed.ended

    def _open(self) -> None:
        if self._member is None and not self._stopped:
            self._member = GroupMember(self._settings, self._wanted)
            # A task of its own: an iterator may be closed by another task than began it.
            self._running = asyncio.create_task(self._member.run())

    def _opened(self) -> GroupMember:
        if self._member is None:
            raise InvalidInput(_CLOSED)
        return self._member

    async def _next(self) -> Delivered | None:
        self._hand.put_down()
        while not self._stopped:
            event = self._hand.take()
            if event is not None:
                return event
            due = await self._opened().next_chunk()
            if due is None:
                break
            self._hand.fill(due)
        return None


class AsyncSubscriber:
    """A handler that is run for each event of a subscription; see `Subscriber`."""

    def __init__(
        self,
        settings: AppSettings,
        group: str,
        subscription: AsyncSubscription,
        handler: AsyncHandler,
    ) -> None:
        if not inspect.iscoroutinefunction(handler):
            raise InvalidInput(f"handler: {handler!r} is no coroutine function; write `async def`")
        self._subscription = subscription
        self._handler = handler
        self._tries = Tries(settings, group)

    async def __call__(self, event: Delivered) -> Iterable[Write] | None:
        """Call the handler itself."""
        return await self._handler(event)

    async def run(self) -> None:
        """Handle events until `stop`; see `Subscriber.run`."""
        async with self._subscription as events:
            async for event in events:
                await self._handle(event)

    def stop(self) -> None:
        """Let `run` return, from any thread or a signal handler; see `AsyncSubscription.stop`."""
        self._subscription.stop()

    def state_key(self, session_id: str, *names: str) -> str:
        """Return a key of the group's own state, in the partition that holds a session."""
        return self._subscription.state_key(session_id, *names)

    async def _handle(self, event: Delivered) -> None:
        while not await self._is_done(event):
            if not await self._subscription.may_try_again(self._tries.pause):
                break
        self._tries.handled()

    async def _is_done(self, event: Delivered) -> bool:
        """Try an event; return whether it is settled, parked, or another process's by now."""
        try:
            found = await attempt(partial(self._try, event))
            if isinstance(found, OwnFault):
                item = self._tries.failed(event, found.error)
                if item is None:
                    return False
                await self._subscription.park(item)
        except (Unavailable, RedisError) as error:
            self._tries.away(error)
            return False
        return True

    async def _try(self, event: Delivered) -> None:
        await self._subscription.settle(event, await self._handler(event))
