"""A subscription of a blocking program: an iterator over events, or a handler of each.

The consuming itself is asyncio (`eventstore.subscribing.member`) in a thread of the
subscription's own; `eventstore.subscribing.async_subscription` is the twin without one.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from anyio.from_thread import start_blocking_portal
from redis.exceptions import RedisError

from eventstore.errors import InvalidInput, Unavailable
from eventstore.keys import Keys, partition_of
from eventstore.parking.attempt import OwnFault, attempt_blocking
from eventstore.subscribing.hand import Hand
from eventstore.subscribing.handling import Tries
from eventstore.subscribing.member import GroupMember

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from anyio.from_thread import BlockingPortal

    from eventstore.consuming.writes import Write
    from eventstore.parking.record import Parked
    from eventstore.settings import AppSettings
    from eventstore.subscribing.delivered import Delivered
    from eventstore.subscribing.wanted import Wanted

    Handler: TypeAlias = Callable[[Delivered], Iterable[Write] | None]

_CLOSED: Final = "the subscription is not open: commit inside its loop or its with block"


class Subscription:
    """The events of the log, in order, for a durable group; made by `subscribe`.

    Iterate over it once, and `commit()` what is done with; what was not committed is given
    again, to this process or another of the group. A `with` block keeps it open behind the loop,
    for a last commit. Called with a function it is a decorator, and the function a `Subscriber`.
    """

    def __init__(self, settings: AppSettings, wanted: Wanted) -> None:
        self._settings = settings
        self._wanted = wanted
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._member: GroupMember | None = None
        self._running: Future[None] | None = None
        self._hand = Hand()
        self._stopped = threading.Event()

    def __call__(self, handler: Handler) -> Subscriber:
        """Return what runs a handler for each event; see `Subscriber`."""
        return Subscriber(self._settings, self._wanted.group, self, handler)

    def __iter__(self) -> Iterator[Delivered]:
        """Yield events until `stop`; waits for new ones.

        Raises `Diverged` if the log lost events that were given, and what else no waiting cures:
        `GroupRefused`, `GroupNotFound`, `UndecodableEvent`, `PayloadMissing`, …. A store that is
        away is waited for.
        """
        is_ours = self._portal is None
        try:
            self._open()
            while (event := self._next()) is not None:
                yield event
        finally:
            if is_ours:
                self.close()

    def commit(self) -> bool:
        """Settle every event that was yielded so far, the one in hand too.

        False if another process has taken over some of them, after this one was frozen or cut
        off for long: it is given them again. Raises an `Unavailable` if the store does not
        answer for `store.publish_timeout` seconds; the commit may be called again then.
        """
        portal, member = self._opened()
        return portal.call(member.commit)

    def stop(self) -> None:
        """End the iteration, from any thread or a signal handler; returns at once.

        A loop that waits for events ends within a second; one that has an event in hand ends
        after it. A stopped subscription yields nothing more: subscribe again.
        """
        self._stopped.set()
        member = self._member
        if member is not None:
            member.stop_soon()

    def close(self) -> None:
        """Stop, and let the group's other processes have the partitions."""
        self._stopped.set()
        portal, member, running = self._portal, self._member, self._running
        self._portal = self._member = self._running = None
        with self._stack:
            if portal is not None and member is not None:
                portal.call(member.leave)
            if running is not None:
                running.result()

    def state_key(self, session_id: str, *names: str) -> str:
        """Return a key of the group's own state, in the partition that holds a session."""
        store = self._settings.store
        keys = Keys(store.namespace, partition_of(session_id, store.partitions))
        return keys.subscriber(self._wanted.group).of(*names)

    def __enter__(self) -> Subscription:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def settle(self, event: Delivered, returned: Iterable[Write] | None) -> bool:
        """Make what a handler returned for an event together with the step past it.

        Neither, and False, if another process has taken over. Raises as `commit` does, and
        `InvalidInput` for what are no writes of the group's own.
        """
        portal, _ = self._opened()
        return portal.call(self._hand.feed.commit, event.check_writes(returned))

    def park(self, item: Parked) -> bool:
        """Step past the event in hand and keep it as given up; raises as `commit` does."""
        portal, _ = self._opened()
        return portal.call(self._hand.feed.park, item)

    def may_try_again(self, after_seconds: float) -> bool:
        """Wait before another try of the event in hand; False if it is not this process's then."""
        is_stopped = self._stopped.wait(after_seconds)
        return not is_stopped and not self._hand.feed.ended

    def _open(self) -> None:
        if self._portal is not None or self._stopped.is_set():
            return
        name = f"eventstore-{self._wanted.group}"
        self._portal = self._stack.enter_context(start_blocking_portal("asyncio", name=name))
        self._member = self._portal.call(_member, self._settings, self._wanted)
        self._running = self._portal.start_task_soon(self._member.run)

    def _opened(self) -> tuple[BlockingPortal, GroupMember]:
        if self._portal is None or self._member is None:
            raise InvalidInput(_CLOSED)
        return self._portal, self._member

    def _next(self) -> Delivered | None:
        self._hand.put_down()
        while not self._stopped.is_set():
            event = self._hand.take()
            if event is not None:
                return event
            portal, member = self._opened()
            due = portal.call(member.next_chunk)
            if due is None:
                break
            self._hand.fill(due)
        return None


async def _member(settings: AppSettings, wanted: Wanted) -> GroupMember:
    return GroupMember(settings, wanted)


class Subscriber:
    """A handler that is run for each event of a subscription.

    What it returns are writes to the group's own state, made together with the step past the
    event: exactly once. None is none; the step is made alone, and the event was given at least
    once. Calling the subscriber calls the handler.
    """

    def __init__(
        self, settings: AppSettings, group: str, subscription: Subscription, handler: Handler
    ) -> None:
        self._subscription = subscription
        self._handler = handler
        self._tries = Tries(settings, group)

    def __call__(self, event: Delivered) -> Iterable[Write] | None:
        """Call the handler itself."""
        return self._handler(event)

    def run(self) -> None:
        """Handle events until `stop`.

        What the handler raises is tried again after a pause, and the next events of the
        partition wait; after `consuming.attempts` tries the event is parked, and the group goes
        on behind it. An `Unavailable`, of the store or of the handler's own, is waited for
        without counting. Raises also what iterating over a `Subscription` raises.
        """
        with self._subscription as events:
            for event in events:
                self._handle(event)

    def stop(self) -> None:
        """Let `run` return, from any thread or a signal handler; see `Subscription.stop`."""
        self._subscription.stop()

    def state_key(self, session_id: str, *names: str) -> str:
        """Return a key of the group's own state, in the partition that holds a session."""
        return self._subscription.state_key(session_id, *names)

    def _handle(self, event: Delivered) -> None:
        while not self._is_done(event):
            if not self._subscription.may_try_again(self._tries.pause):
                break
        self._tries.handled()

    def _is_done(self, event: Delivered) -> bool:
        """Try an event; return whether it is settled, parked, or another process's by now."""
        try:
            found = attempt_blocking(partial(self._try, event))
            if isinstance(found, OwnFault):
                item = self._tries.failed(event, found.error)
                if item is None:
                    return False
                self._subscription.park(item)
        except (Unavailable, RedisError) as error:
            self._tries.away(error)
            return False
        return True

    def _try(self, event: Delivered) -> None:
        self._subscription.settle(event, self._handler(event))
