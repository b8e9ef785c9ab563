"""The event store: appends and reads on the log, in a blocking and an asyncio form.

Both forms run the same flows (`eventstore.log`, `eventstore.appending`); a test compares their
signatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from eventstore.competing.async_work import AsyncCompeting
from eventstore.competing.work import Competing, check_in_flight
from eventstore.parts import Parts
from eventstore.runner import AsyncRunner, Runner
from eventstore.store_recovery import AsyncStoreRecovery, StoreRecovery
from eventstore.subscribing.async_subscription import AsyncSubscription
from eventstore.subscribing.subscription import Subscription
from eventstore.subscribing.wanted import check_wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from eventstore.codec import Recorded
    from eventstore.commands import Appended, Head
    from eventstore.drafts import Draft
    from eventstore.flow import Flow
    from eventstore.location import Location
    from eventstore.opening import Opened
    from eventstore.settings import AppSettings
    from eventstore.subscribing.wanted import Start

T = TypeVar("T")
_NOTHING: Mapping[str, int] = {}


class EventStore(StoreRecovery):
    """A store behind a blocking client. Safe to share between threads, and across a fork.

    `with EventStore(settings) as store:` closes it; so does `close()`.
    """

    def __init__(self, settings: AppSettings, location: Location | None = None) -> None:
        self.parts = Parts(settings, location)
        self.runner = Runner(self.parts.location.target, self.parts.guard, self.parts.control)

    def open(self) -> Opened:
        """Verify the server and open every partition; later calls answer at once.

        Any other method does this by itself. Raises `WrongStore`, `Sealed`, `Poisoned`,
        `Diverged`, `StoreUnreachable` or `EmbeddedError`.
        """
        return self.runner.run(self.parts.log.open())

    def append(
        self,
        session_id: str,
        drafts: Sequence[Draft],
        *,
        expect: Mapping[str, int] = _NOTHING,
        start: Mapping[str, int] = _NOTHING,
    ) -> list[Appended]:
        """Append a batch of one session, all or nothing; see `Appender.append`."""
        flow = self.parts.appender.append(session_id, drafts, expect=expect, start=start)
        return self.runner.run(flow)

    def read(
        self,
        session_id: str,
        *,
        from_seq: int = 0,
        to_seq: int | None = None,
        backwards: bool = False,
        limit: int | None = None,
    ) -> list[Recorded]:
        """Return a session's events from `from_seq` up to but not `to_seq`; see `Log.read`."""
        log = self.parts.log
        return self.reading(
            lambda: log.read(
                session_id, from_seq=from_seq, to_seq=to_seq, backwards=backwards, limit=limit
            )
        )

    def read_all(
        self,
        partition: int,
        *,
        after: int = 0,
        kinds: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Recorded]:
        """Return a partition's events after a position; see `Log.read_all`."""
        log = self.parts.log
        return self.reading(lambda: log.read_all(partition, after=after, kinds=kinds, limit=limit))

    def head(self) -> list[Head]:
        """Return the end of every partition."""
        return self.reading(self.parts.log.heads)

    def get(self, ref: str) -> Recorded:
        """Return the event with this ref. Raises `ArtifactNotFound`."""
        return self.reading(lambda: self.parts.log.find(ref))

    def subscribe(
        self,
        *,
        group: str,
        start: Start = "begin",
        kinds: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        payloads: bool = True,
    ) -> Subscription:
        """Return the events of the log, in order and durably, for a consumer group.

        Iterate over it, or decorate a handler with it; see `Subscription`. Processes with the
        same group share the partitions; of a session each event comes in order, and only one
        process at a time is given it. `start` counts only if there is no such group yet: "begin",
        "end", or the position (a mapping of each partition to one) behind which it begins.
        `kinds` and `types` leave the rest of the events out, `payloads=False` every payload.
        Connects at the first event. Raises `InvalidInput` or `InvalidName`.
        """
        wanted = check_wanted(group, start, kinds, types, payloads=payloads)
        return Subscription(self.parts.settings, wanted)

    def compete(
        self,
        *,
        group: str,
        start: Start = "begin",
        kinds: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        payloads: bool = True,
        in_flight: int = 1,
    ) -> Competing:
        """Return events as pieces of work that processes with the same group share.

        For slow, independent work: each piece goes to one of them, in no particular order, until it
        is settled. Iterate over it, or decorate a handler with it; see `Competing`. `start` counts
        only if there is no such group yet, and all who compete name the same `kinds` and `types`;
        see `subscribe` for them and `payloads`. At most `in_flight` pieces are in this process's
        hands. Connects at the first piece. Raises `InvalidInput` or `InvalidName`.
        """
        wanted = check_wanted(group, start, kinds, types, payloads=payloads)
        return Competing(self.parts.settings, wanted, check_in_flight(in_flight))

    def reading(self, flow: Callable[[], Flow[T]]) -> T:
        """Run a read that may be run twice: once more if the server was replaced under it."""
        return self.runner.run(self.parts.log.ready(flow))

    def close(self) -> None:
        """Close the connections and leave the embedded store, if it is one."""
        self.runner.close()
        self.parts.leave()

    def __enter__(self) -> EventStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncEventStore(AsyncStoreRecovery):
    """A store behind an asyncio client, for one event loop; the same methods, awaited."""

    def __init__(self, settings: AppSettings, location: Location | None = None) -> None:
        self.parts = Parts(settings, location)
        self.runner = AsyncRunner(self.parts.location.target, self.parts.guard, self.parts.control)

    async def open(self) -> Opened:
        """Verify the server and open every partition; see `EventStore.open`."""
        return await self.runner.run(self.parts.log.open())

    async def append(
        self,
        session_id: str,
        drafts: Sequence[Draft],
        *,
        expect: Mapping[str, int] = _NOTHING,
        start: Mapping[str, int] = _NOTHING,
    ) -> list[Appended]:
        """Append a batch of one session, all or nothing; see `Appender.append`."""
        flow = self.parts.appender.append(session_id, drafts, expect=expect, start=start)
        return await self.runner.run(flow)

    async def read(
        self,
        session_id: str,
        *,
        from_seq: int = 0,
        to_seq: int | None = None,
        backwards: bool = False,
        limit: int | None = None,
    ) -> list[Recorded]:
        """Return a session's events from `from_seq` up to but not `to_seq`; see `Log.read`."""
        log = self.parts.log
        return await self.reading(
            lambda: log.read(
                session_id, from_seq=from_seq, to_seq=to_seq, backwards=backwards, limit=limit
            )
        )

    async def read_all(
        self,
        partition: int,
        *,
        after: int = 0,
        kinds: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Recorded]:
        """Return a partition's events after a position; see `Log.read_all`."""
        log = self.parts.log
        return await self.reading(
            lambda: log.read_all(partition, after=after, kinds=kinds, limit=limit)
        )

    async def head(self) -> list[Head]:
        """Return the end of every partition."""
        return await self.reading(self.parts.log.heads)

    async def get(self, ref: str) -> Recorded:
        """Return the event with this ref. Raises `ArtifactNotFound`."""
        return await self.reading(lambda: self.parts.log.find(ref))

    def subscribe(
        self,
        *,
        group: str,
        start: Start = "begin",
        kinds: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        payloads: bool = True,
    ) -> AsyncSubscription:
        """Return the events of the log, in order and durably, for a consumer group."""
        wanted = check_wanted(group, start, kinds, types, payloads=payloads)
        return AsyncSubscription(self.parts.settings, wanted)

    def compete(
        self,
        *,
        group: str,
        start: Start = "begin",
        kinds: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        payloads: bool = True,
        in_flight: int = 1,
    ) -> AsyncCompeting:
        """Return events as pieces of work that processes with the same group share."""
        wanted = check_wanted(group, start, kinds, types, payloads=payloads)
        return AsyncCompeting(self.parts.settings, wanted, check_in_flight(in_flight))

    async def reading(self, flow: Callable[[], Flow[T]]) -> T:
        """Run a read that may be run twice: once more if the server was replaced under it."""
        return await self.runner.run(self.parts.log.ready(flow))

    async def close(self) -> None:
        """Close the connections and leave the embedded store, if it is one."""
        await self.runner.close()
        self.parts.leave()

    async def __aenter__(self) -> AsyncEventStore:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
