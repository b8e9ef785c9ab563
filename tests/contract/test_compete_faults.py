"""What ends those who compete, and what does not: the same on both forms of the bus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.buses import BusUnderTest
from support.competing import NOTHING, Running, left, take
from support.consuming import publish
from support.parking import missing, parked_of, trying
from support.stores import make_settings
from support.wait import until

from eventstore.async_bus import AsyncEventBus
from eventstore.bus import EventBus
from eventstore.errors import Diverged, GroupNotFound
from eventstore.store import AsyncEventStore, EventStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.competing.item import AsyncWorkItem, WorkItem
    from eventstore.settings import AppSettings

EACH_WAY = pytest.mark.parametrize("in_flight", [1, 3])


class Halt(BaseException):
    """No `Exception`, as a SystemExit is none."""


@pytest.fixture
def settings(server: PrivateServer, namespace: str) -> AppSettings:
    return trying(make_settings(server, namespace), 3)


@pytest.fixture
def store(settings: AppSettings) -> Iterator[EventStore]:
    with EventStore(settings) as opened:
        yield opened


@EACH_WAY
def test_a_group_that_is_gone_ends_a_handler_with_its_own_error(
    thrice: BusUnderTest, redis_client: redis.Redis, in_flight: int
) -> None:
    publish(thrice.store, "s", 1)
    handled: list[int] = []
    handler = thrice.bus.compete(group="g", in_flight=in_flight)
    with Running(handler(lambda item: handled.append(item.position))) as running:
        until(lambda: handled, what="a piece handled")
        for keys in thrice.store.parts.log.partitions:
            redis_client.hdel(keys.competing, "g")
        running.until_ended()
    assert type(running.error) is GroupNotFound


@EACH_WAY
def test_what_is_not_the_events_own_fault_ends_a_handler(
    thrice: BusUnderTest, in_flight: int
) -> None:
    [ref] = publish(thrice.store, "s", 1)

    @thrice.bus.compete(group="g", in_flight=in_flight)
    def handle(item: WorkItem) -> None:
        raise Diverged(f"{item.position} is of another history")

    with pytest.raises(Diverged, match="1 is of another history"):
        handle.run()
    [item] = take(thrice.bus.compete(group="g"), 1, lambda item: item.ack())
    assert (item.ref, item.attempt) == (ref, 2)


@EACH_WAY
def test_what_is_no_exception_ends_a_blocking_handler_and_the_piece_goes_back(
    store: EventStore, in_flight: int
) -> None:
    [ref] = publish(store, "s", 1)
    with EventBus(store) as bus:

        @bus.compete(group="g", in_flight=in_flight)
        def handle(item: WorkItem) -> None:
            raise Halt

        with pytest.raises(Halt):
            handle.run()
        [item] = take(bus.compete(group="g"), 1, lambda item: item.ack())
    assert (item.ref, item.attempt) == (ref, 2)


def run_async(settings: AppSettings, program: Callable[[AsyncEventBus], Awaitable[None]]) -> None:
    """Run an asyncio program on a bus of its own."""

    async def run() -> None:
        async with AsyncEventBus(AsyncEventStore(settings)) as bus:
            await program(bus)

    asyncio.run(run())


@EACH_WAY
def test_what_is_no_exception_ends_an_asyncio_handler_and_the_piece_goes_back(
    settings: AppSettings, store: EventStore, in_flight: int
) -> None:
    publish(store, "s", 1)

    async def program(bus: AsyncEventBus) -> None:
        @bus.compete(group="g", in_flight=in_flight)
        async def handle(item: AsyncWorkItem) -> None:
            raise Halt

        with pytest.raises(Halt):
            await handle.run()

    run_async(settings, program)
    assert left(store, "g")[1:] == (0, 1, 0)


@EACH_WAY
def test_a_cancellation_that_nobody_asked_for_is_a_failed_try(
    settings: AppSettings, store: EventStore, in_flight: int
) -> None:
    publish(store, "s", 2)

    async def program(bus: AsyncEventBus) -> None:
        @bus.compete(group="g", in_flight=in_flight)
        async def handle(item: AsyncWorkItem) -> None:
            if item.position == 1:
                # Awaiting what somebody else has cancelled.
                gone = asyncio.get_running_loop().create_future()
                gone.cancel()
                await gone
            if item.position == 2:
                handle.stop()

        await handle.run()

        @bus.subscribe(group="h")
        async def listen(event: object) -> None:
            raise asyncio.CancelledError

        listening = asyncio.create_task(listen.run())
        await asyncio.to_thread(until, lambda: len(parked_of(store, "h")) == 2)
        listen.stop()
        await listening

    run_async(settings, program)
    until(lambda: left(store, "g").pending == 0)
    assert missing(store, "s")["h"] == 2
    [said, _] = parked_of(store, "h")
    assert said.error == "RuntimeError: something that the handler awaits was cancelled"
    assert "in listen" in said.traceback


def test_a_run_that_is_cancelled_gives_back_what_is_in_hand(
    settings: AppSettings, store: EventStore
) -> None:
    publish(store, "s", 2)
    begun: list[int] = []
    ended: list[int] = []

    async def program(bus: AsyncEventBus) -> None:
        @bus.compete(group="g", in_flight=2)
        async def handle(item: AsyncWorkItem) -> None:
            begun.append(item.position)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(item.position)

        running = asyncio.create_task(handle.run())
        await asyncio.to_thread(until, lambda: len(begun) == 2)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert sorted(ended) == [1, 2]

    run_async(settings, program)
    assert left(store, "g")[1:] == (0, 2, 0)


def test_a_handler_that_fails_does_not_cut_the_others_off(
    settings: AppSettings, store: EventStore
) -> None:
    publish(store, "s", 2)
    done: list[int] = []

    async def program(bus: AsyncEventBus) -> None:
        has_begun, has_failed = asyncio.Event(), asyncio.Event()

        @bus.compete(group="g", in_flight=2)
        async def handle(item: AsyncWorkItem) -> None:
            if item.position == 1:
                await has_begun.wait()
                has_failed.set()
                raise Diverged("of another history")
            has_begun.set()
            await has_failed.wait()
            await asyncio.sleep(0)
            done.append(item.position)

        with pytest.raises(Diverged):
            await handle.run()

    run_async(settings, program)
    assert done == [2]
    assert left(store, "g")[1:] == (0, 1, 0)


@EACH_WAY
@pytest.mark.parametrize("form", ["blocking", "asyncio"])
def test_a_store_that_is_away_when_a_piece_is_done_is_waited_for(
    private_server: Callable[..., PrivateServer],
    namespace: str,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    form: str,
    in_flight: int,
) -> None:
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    portal = request.getfixturevalue("portal") if form == "asyncio" else None
    settings = trying(make_settings(server, namespace, publish_timeout=0.1), 3)
    tested = BusUnderTest(settings, portal)
    handled: list[int] = []
    try:
        publish(tested.store, "s", 2)

        @tested.bus.compete(group="g", in_flight=in_flight)
        def handle(item: WorkItem) -> None:
            if not handled:
                server.stop()
            handled.append(item.position)

        with Running(handle) as running:
            until(lambda: handled, what="a piece handled")
            until(lambda: "what became of work is told once" in caplog.text, what="it was noticed")
            server.start()
            until(lambda: left(tested.store, "g") == NOTHING, what="all settled")
            assert running.error is None
    finally:
        tested.close()
    assert sorted(handled) == [1, 2]
