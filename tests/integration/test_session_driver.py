"""The session driver: each tick started once, over when all have acknowledged, never for ever."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from support.consuming import STOP_TIMEOUT, until_caught_up
from support.stores import open_store
from support.ticking import ack, act, add, barrier, finish, register, stalls_of, ticks_of
from support.wait import until

from consumers.session_driver import (
    TICKS_GROUP,
    TickHandler,
    _try_to_give_up,
    give_up_regularly,
)
from consumers.working.worker import Worker
from eventstore.errors import Unavailable
from eventstore.events import AgentUnregistered, SessionClosed
from eventstore.flow import Call, as_is, call

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.keys import Keys
    from eventstore.settings import AppSettings
    from eventstore.store import EventStore

AGENTS = ("a", "b", "c")
LONG = 600.0


@pytest.fixture
def store(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    with open_store(server, namespace, partitions=2) as store:
        yield store


def settings_with(store: EventStore, timeout: float) -> AppSettings:
    chosen = store.parts.settings
    return chosen.model_copy(
        update={"agent": chosen.agent.model_copy(update={"tick_timeout": timeout})}
    )


@contextmanager
def driving(store: EventStore, timeout: float = LONG) -> Iterator[None]:
    """Run a driver in a thread."""
    handlers: list[TickHandler] = []

    def factory(access: object) -> TickHandler:
        handlers.append(TickHandler(access))  # type: ignore[arg-type]
        return handlers[0]

    async def drive(worker: Worker) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(give_up_regularly, handlers[0], worker)
            await worker.run()
            tasks.cancel_scope.cancel()

    with start_blocking_portal("asyncio") as portal:
        worker = portal.call(Worker, settings_with(store, timeout), {TICKS_GROUP: factory})
        done = portal.start_task_soon(drive, worker)
        try:
            yield
        finally:
            portal.call(worker.stop)
            done.result(STOP_TIMEOUT)


def open_ticks(store: EventStore) -> list[bytes]:
    steps: list[Call[list[bytes]]] = [
        Call("ZRANGE", (keys.open_ticks,), (0, -1), as_is) for keys in store.parts.log.partitions
    ]
    return [member for step in steps for member in store.reading(partial(call, step))]


def test_a_tick_begins_when_the_last_is_over_and_ends_with_its_agents(store: EventStore) -> None:
    register(store, "s", AGENTS)
    with driving(store):
        until(lambda: ticks_of(store, "s") == [1], what="the first tick")
        assert barrier(store, "s").waiting == AGENTS
        ack(store, "s", "a", 1)
        ack(store, "s", "b", 1)
        until_caught_up(store, TICKS_GROUP)
        assert ticks_of(store, "s") == [1]
        ack(store, "s", "c", 1)
        until(lambda: act(store, "s", 5), what="five ticks")
        finish(store, "s", AGENTS)
        until_caught_up(store, TICKS_GROUP)
    started = ticks_of(store, "s")
    assert started == [*range(1, len(started) + 1)]
    assert stalls_of(store, "s") == []
    assert open_ticks(store) == []


def test_who_leaves_is_not_waited_for(store: EventStore) -> None:
    register(store, "s", AGENTS)
    with driving(store):
        until(lambda: ticks_of(store, "s") == [1], what="the first tick")
        ack(store, "s", "a", 1)
        ack(store, "s", "b", 1)
        add(store, AgentUnregistered, "s", "c", agents=("a", "b"))
        until(lambda: ticks_of(store, "s") == [1, 2], what="the second tick")
    assert barrier(store, "s").agents == ("a", "b")


def test_nothing_begins_without_live_agents_or_in_a_closed_session(store: EventStore) -> None:
    register(store, "finished", AGENTS)
    finish(store, "finished", AGENTS)
    register(store, "closed", AGENTS)
    add(store, SessionClosed, "closed", "operator")
    with driving(store):
        until_caught_up(store, TICKS_GROUP)
    assert ticks_of(store, "finished") == []
    assert ticks_of(store, "closed") == []


def test_who_stalls_is_named_and_the_session_goes_on(store: EventStore) -> None:
    register(store, "s", AGENTS)
    with driving(store, timeout=0.2):
        until(lambda: ticks_of(store, "s"), what="the first tick")
        ack(store, "s", "a", 1)
        until(lambda: stalls_of(store, "s"), what="the first tick is given up")
        until(lambda: 2 in ticks_of(store, "s"), what="the second tick")
        finish(store, "s", AGENTS)
        until_caught_up(store, TICKS_GROUP)
    tick, stalled = stalls_of(store, "s")[0]
    assert tick == 1
    assert set(stalled) <= set(AGENTS)
    assert "b" in stalled


def test_the_next_owner_knows_until_when_a_tick_may_take(store: EventStore) -> None:
    register(store, "s", AGENTS)
    with driving(store):
        until(lambda: ticks_of(store, "s") == [1], what="the first tick")
        until_caught_up(store, TICKS_GROUP)
    # The first driver set a time that is far off; a second one of the same setting leaves it.
    assert [member.decode() for member in open_ticks(store)] == ["1:s"]
    step: Call[int] = Call("ZADD", (store.parts.log.keys_of("s").open_ticks,), (1, "1:s"), as_is)
    store.reading(lambda: call(step))
    with driving(store):
        until(lambda: stalls_of(store, "s") == [(1, AGENTS)], what="the tick is given up")


def test_a_look_that_a_stop_cuts_short_is_no_warning(
    store: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(TickHandler):
        """A handler whose connections are closed."""

        async def give_up_overdue(self, keys: Keys) -> None:
            raise Unavailable("the connection was closed")

    async def look() -> list[int]:
        worker = Worker(settings_with(store, LONG), {TICKS_GROUP: TickHandler})
        handler, keys = Away(worker.access), store.parts.log.keys_of("s")
        await _try_to_give_up(handler, worker, keys)
        said = [len(caplog.records)]
        worker.stop()
        await _try_to_give_up(handler, worker, keys)
        return [*said, len(caplog.records)]

    with caplog.at_level(logging.WARNING, "consumers.session_driver"):
        assert anyio.run(look) == [1, 1]
    assert "the next look: the connection was closed" in caplog.text


def test_several_drivers_start_each_tick_once(store: EventStore) -> None:
    sessions = [f"s{number}" for number in range(6)]
    for session in sessions:
        register(store, session, AGENTS)
    with driving(store), driving(store), driving(store):
        for tick in range(1, 5):
            for session in sessions:
                until(partial(act, store, session, tick), what=f"tick {tick} of {session}")
        for session in sessions:
            finish(store, session, AGENTS)
        until_caught_up(store, TICKS_GROUP)
    for session in sessions:
        started = ticks_of(store, session)
        assert started == [*range(1, len(started) + 1)]
        assert len(started) >= 4


@pytest.mark.parametrize("wrong", ["1:2:ffffffffffffffff", "1:5000:ffffffffffffffff"])
def test_a_driver_that_consumed_another_history_looks_at_every_session_again(
    store: EventStore, redis_client: redis.Redis, wrong: str
) -> None:
    register(store, "s", AGENTS)
    register(store, "idle", AGENTS)
    finish(store, "idle", AGENTS)
    with driving(store):
        for begun in ([1], [1, 2]):
            until(partial(has_begun, store, "s", begun), what=f"tick {begun[-1]}")
            ack_all(store, "s", begun[-1])
        until(partial(has_begun, store, "s", [1, 2, 3]), what="the third tick")
    for keys in store.parts.log.partitions:
        parked = keys.parked(TICKS_GROUP)
        redis_client.hset(keys.checkpoints, TICKS_GROUP, wrong)
        # Of events that are in no log.
        redis_client.zadd(keys.open_ticks, {"7:lost": 1})
        redis_client.zadd(parked.positions, {"9": 9})
        redis_client.hset(parked.items, "9", "{}")
    with driving(store):
        until_caught_up(store, TICKS_GROUP)
        assert [member.decode() for member in open_ticks(store)] == ["3:s"]
        ack_all(store, "s", 3)
        until(partial(has_begun, store, "s", [1, 2, 3, 4]), what="the fourth tick")
    assert ticks_of(store, "idle") == []
    assert stalls_of(store, "s") == stalls_of(store, "idle") == []
    for keys in store.parts.log.partitions:
        assert redis_client.exists(*keys.parked(TICKS_GROUP).all) == 0


def ack_all(store: EventStore, session: str, tick: int) -> None:
    for agent in AGENTS:
        ack(store, session, agent, tick)


def has_begun(store: EventStore, session: str, ticks: list[int]) -> bool:
    return ticks_of(store, session) == ticks
