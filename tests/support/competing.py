"""Competing groups under test: the asyncio form called like the blocking one, and what is left."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from support.wait import until

from eventstore.competing.calls import says_no_group
from eventstore.errors import CommandFailed, EventStoreError
from eventstore.flow import Call, as_is, batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.from_thread import BlockingPortal

    from eventstore.competing.async_work import AsyncCompeting, AsyncCompetingHandler
    from eventstore.competing.item import AsyncWorkItem, WorkItem
    from eventstore.competing.work import Competing
    from eventstore.store import EventStore


class AwaitedItem:
    """An asyncio piece of work that is settled from outside of its loop."""

    def __init__(self, item: AsyncWorkItem, portal: BlockingPortal) -> None:
        self._item = item
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._item, name)
        if name not in ("ack", "nack", "defer"):
            return found
        return lambda *args, **named: self._portal.call(functools.partial(found, *args, **named))


class AwaitedCompeting:
    """An asyncio competitor that is iterated over from outside of its loop."""

    def __init__(self, competing: AsyncCompeting, portal: BlockingPortal) -> None:
        self._competing = competing
        self._portal = portal
        self.stop = competing.stop

    def __call__(self, handler: Callable[[WorkItem], Any]) -> AwaitedHandler:
        async def handle(item: AsyncWorkItem) -> Any:
            # A handler under test blocks: in a thread, as several of them run at a time.
            return await asyncio.to_thread(handler, cast("WorkItem", item))

        return AwaitedHandler(self._competing(handle), self._portal)

    def __iter__(self) -> Iterator[AwaitedItem]:
        items = self._portal.call(self._begin)
        try:
            while True:
                try:
                    item = self._portal.call(items.__anext__)
                except StopAsyncIteration:
                    return
                yield AwaitedItem(item, self._portal)
        finally:
            self._portal.call(items.aclose)

    async def _begin(self) -> Any:
        return self._competing.__aiter__()

    def __enter__(self) -> AwaitedCompeting:
        self._portal.call(self._competing.__aenter__)
        return self

    def __exit__(self, *_: object) -> None:
        self._portal.call(self._competing.__aexit__)


class AwaitedHandler:
    """An asyncio handler that is run from outside of its loop."""

    def __init__(self, handler: AsyncCompetingHandler, portal: BlockingPortal) -> None:
        self._handler = handler
        self._portal = portal
        self.stop = handler.stop

    def run(self) -> None:
        self._portal.call(self._handler.run)


class Running:
    """Something whose `run` goes on in a thread, until `stop`; `error` is what it raised."""

    def __init__(self, work: Any) -> None:
        self.error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self._work.run()
        except EventStoreError as error:
            self.error = error

    def until_ended(self) -> None:
        """Wait until it has returned by itself."""
        self._thread.join(60.0)
        assert not self._thread.is_alive()

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._work.stop()
        self._thread.join()


class Taker:
    """Takes work in a thread and settles each piece at once; `run` ends with `stop`."""

    def __init__(self, competing: Competing, settle: Callable[[WorkItem], Any]) -> None:
        self.seen: list[WorkItem] = []
        self.settled: list[Any] = []
        self.stop = competing.stop
        self._competing = competing
        self._settle = settle

    def run(self) -> None:
        for item in self._competing:
            self.seen.append(item)
            self.settled.append(self._settle(item))

    def until_settled(self, count: int) -> None:
        """Wait until so many pieces were settled."""
        until(lambda: len(self.settled) >= count, what=f"{count} pieces settled")


def acking(competing: Competing) -> Taker:
    """Return what takes work and says of each piece that it is done."""
    return Taker(competing, lambda item: item.ack())


def take(competing: Competing, count: int, settle: Callable[[WorkItem], Any]) -> list[WorkItem]:
    """Take so many pieces, settle each, and return them."""
    items = []
    for item in competing:
        items.append(item)
        settle(item)
        if len(items) == count:
            break
    return items


class Left(NamedTuple):
    """What is left of a group's work over all partitions."""

    work: int
    pending: int
    due: int
    parked: int


def left(store: EventStore, group: str) -> Left:
    """Return what is left of a group's work, `NOT_SET_UP` if there is no such group yet."""
    found = Left(0, 0, 0, 0)
    for keys in store.parts.log.partitions:
        work = keys.work(group)
        steps: list[Call[Any]] = [
            Call("XLEN", (work.stream,), (), int),
            Call("XPENDING", (work.stream,), (group,), as_is),
            Call("ZCARD", (work.due,), (), int),
            Call("HLEN", (keys.parked(group).items,), (), int),
        ]
        try:
            length, pending, due, parked = store.reading(functools.partial(batch, steps))
        except CommandFailed as error:
            if not says_no_group(error):
                raise
            return NOT_SET_UP
        counts = (length, pending[0], due, parked)
        found = Left(*(had + more for had, more in zip(found, counts, strict=True)))
    return found


NOTHING = Left(0, 0, 0, 0)
NOT_SET_UP = Left(-1, -1, -1, -1)
