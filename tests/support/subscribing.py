"""Subscriptions under test: the asyncio form called like the blocking one, and what to expect."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from support.wait import until

from eventstore.errors import EventStoreError
from eventstore.flow import batch
from eventstore.views import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.from_thread import BlockingPortal

    from eventstore.store import EventStore
    from eventstore.subscribing.async_subscription import AsyncSubscriber, AsyncSubscription
    from eventstore.subscribing.delivered import Delivered
    from eventstore.subscribing.subscription import Subscription


class AwaitedSubscription:
    """An asyncio subscription that is iterated over from outside of its loop."""

    def __init__(self, subscription: AsyncSubscription, portal: BlockingPortal) -> None:
        self._subscription = subscription
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._subscription, name)
        if name in ("stop", "state_key"):
            return found
        return lambda *args: self._portal.call(functools.partial(found, *args))

    def __call__(self, handler: Callable[[Delivered], Any]) -> AwaitedSubscriber:
        async def handle(event: Delivered) -> Any:
            return handler(event)

        return AwaitedSubscriber(self._subscription(handle), self._portal)

    def __iter__(self) -> Iterator[Delivered]:
        events = self._portal.call(self._begin)
        try:
            while True:
                try:
                    event = self._portal.call(events.__anext__)
                except StopAsyncIteration:
                    return
                yield event
        finally:
            self._portal.call(events.aclose)

    async def _begin(self) -> Any:
        return self._subscription.__aiter__()

    def __enter__(self) -> AwaitedSubscription:
        self._portal.call(self._subscription.__aenter__)
        return self

    def __exit__(self, *_: object) -> None:
        self._portal.call(self._subscription.__aexit__)


class AwaitedSubscriber:
    """An asyncio subscriber that is run from outside of its loop."""

    def __init__(self, subscriber: AsyncSubscriber, portal: BlockingPortal) -> None:
        self._subscriber = subscriber
        self._portal = portal
        self.stop = subscriber.stop
        self.state_key = subscriber.state_key

    def __call__(self, event: Delivered) -> Any:
        return self._portal.call(self._subscriber, event)

    def run(self) -> None:
        self._portal.call(self._subscriber.run)


class Listener:
    """A thread that takes events, and commits each; `error` is what ended it."""

    def __init__(self, subscription: Subscription) -> None:
        self.seen: list[Delivered] = []
        self.committed: list[bool] = []
        self.error: EventStoreError | None = None
        self._subscription = subscription
        self._thread = threading.Thread(target=self._listen)

    def _listen(self) -> None:
        try:
            for event in self._subscription:
                self.seen.append(event)
                self.committed.append(self._subscription.commit())
        except EventStoreError as error:
            self.error = error

    @property
    def refs(self) -> list[str]:
        """The refs of what was taken."""
        return [event.ref for event in self.seen]

    def until_seen(self, count: int) -> None:
        """Wait until so many events were taken and committed."""
        until(lambda: len(self.committed) >= count or self.error, what=f"{count} events")
        assert self.error is None, self.error

    def until_ended(self) -> EventStoreError | None:
        """Wait until the loop ends by itself, and return what ended it."""
        self._thread.join(60.0)
        assert not self._thread.is_alive()
        return self.error

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._subscription.stop()
        self._thread.join()


def take(subscription: Subscription, count: int) -> list[Delivered]:
    """Return the next events, as many as asked for; commits nothing."""
    events = []
    for event in subscription:
        events.append(event)
        if len(events) == count:
            break
    return events


def positions(store: EventStore, group: str) -> list[int]:
    """Return how far a group is in each partition."""
    steps = [checkpoint(keys, group) for keys in store.parts.log.partitions]
    return [at.position for at in store.reading(lambda: batch(steps))]


def assert_in_order(events: list[Delivered], sessions: dict[str, list[str]]) -> None:
    """Assert that the events are those of the sessions, each once and in the order given."""
    found: dict[str, list[str]] = {session: [] for session in sessions}
    for event in events:
        found[event.session_id].append(event.ref)
    assert found == sessions
