"""`parked replay` through lost replies, a full server, another replay, and a group that goes on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from redis import exceptions as redis_errors
from support.competing import left
from support.consuming import at, drafts, publish
from support.full import SmallStore
from support.parking import left_out, missing, park_given, park_work, parked_of, trying
from support.proxy import LossyProxy
from support.stores import make_settings
from support.wait import until

from consumers.parking.changing import replay_parked
from eventstore import Write
from eventstore.bus import EventBus
from eventstore.consuming.access import StoreAccess
from eventstore.errors import GroupRefused, PayloadStoreError, StoreFull, Unavailable
from eventstore.parking import replaying
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from consumers.parking.kinds import Handler
    from eventstore.parking.replaying import Replayed
    from eventstore.settings import AppSettings
    from eventstore.subscribing.delivered import Delivered

COUNT = 8


@pytest.fixture
def settings(server: PrivateServer, namespace: str) -> AppSettings:
    return trying(make_settings(server, namespace, lease_seconds=0.3), 1)


@pytest.fixture
def store(settings: AppSettings) -> Iterator[EventStore]:
    with EventStore(settings) as opened:
        yield opened


@pytest.fixture
def refs(store: EventStore) -> list[str]:
    """The events that the group `g`, a subscriber, has parked."""
    return park(store)


def park(store: EventStore) -> list[str]:
    found = publish(store, "s", COUNT)
    park_given(store, "g")
    return found


def count(event: Delivered) -> list[Write]:
    return [Write("HINCRBY", event.state_key("counts"), (event.ref, 1))]


def replay(settings: AppSettings, handler: Handler | None = count) -> Replayed:
    """Replay what `g` has parked, to its end or to an error."""

    async def run() -> Replayed:
        access = StoreAccess(settings, groups=1)
        try:
            [found] = await replay_parked(access, "g", handler, lambda _: None)
            return found
        finally:
            await access.close()

    return anyio.run(run)


def counts(store: EventStore, client: redis.Redis) -> dict[str, int]:
    """Return how often the effect of each event landed."""
    [keys] = store.parts.log.partitions
    found: Any = client.hgetall(keys.subscriber("g").of("counts"))
    return {ref.decode(): int(n) for ref, n in found.items()}


def still(store: EventStore) -> list[str]:
    return [item.ref for item in parked_of(store, "g")]


@pytest.mark.parametrize(
    ("call", "nth"),
    [
        *(("replay", nth) for nth in (1, 2)),
        *(("apply", nth) for nth in (1, 2, COUNT)),
        *((command, 1) for command in ("HMGET", "XRANGE", "HLEN")),
    ],
)
def test_a_lost_reply_loses_and_doubles_nothing(
    server: PrivateServer,
    settings: AppSettings,
    store: EventStore,
    refs: list[str],
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    nth: int,
) -> None:
    monkeypatch.setattr(replaying, "_SETTLE_SECONDS", 0.0)
    before = at(store, "g")
    with LossyProxy(server.socket_path) as proxy:
        proxy.lose_reply(call, nth)
        done = replay(proxy.settings(settings))
        assert proxy.lost == 1
    assert (done.parked, done.handled, done.failed) == (COUNT, COUNT, 0)
    assert counts(store, redis_client) == dict.fromkeys(refs, 1)
    assert (still(store), left_out(store, "g"), missing(store, "s")) == ([], [], {})
    assert at(store, "g") == before
    [keys] = store.parts.log.partitions
    assert redis_client.hkeys(keys.checkpoints) == [b"g"]


def test_a_lost_reply_puts_nothing_on_work_twice(
    server: PrivateServer, settings: AppSettings, store: EventStore, redis_client: redis.Redis
) -> None:
    publish(store, "s", COUNT)
    park_work(store, "g")
    with LossyProxy(server.socket_path) as proxy:
        proxy.lose_reply("unpark")
        assert replay(proxy.settings(settings), None).handled == COUNT
        assert proxy.lost == 1
    assert replay(settings, None).handled == 0
    [keys] = store.parts.log.partitions
    work: Any = redis_client.xrange(keys.work("g").stream)
    assert [int(entry[b"position"]) for _, entry in work] == list(range(1, COUNT + 1))
    assert left(store, "g").parked == 0


def test_a_full_server_takes_a_replay_and_has_room_after_it(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> None:
    small = SmallStore(private_server(), namespace, tmp_path / "p")
    with EventStore(trying(small.settings, 1)) as store, small.client() as client:
        found = park(store)
        before = at(store, "g")
        small.leave_room(1)
        with pytest.raises(StoreFull):
            store.append("s", drafts("s", 1))
        assert replay(small.settings).handled == COUNT
        assert counts(store, client) == dict.fromkeys(found, 1)
        assert (still(store), at(store, "g")) == ([], before)


def test_writes_that_are_refused_leave_their_event_parked(
    settings: AppSettings, store: EventStore, refs: list[str], redis_client: redis.Redis
) -> None:
    [keys] = store.parts.log.partitions
    redis_client.set(keys.subscriber("g").of("text"), "no hash")
    bad = {refs[1], refs[-1]}

    def wrong(event: Delivered) -> list[Write]:
        if event.ref in bad:
            return [*count(event), Write("HSET", event.state_key("text"), ("n", 1))]
        return count(event)

    done = replay(settings, wrong)
    assert (done.handled, done.failed) == (COUNT - 2, 2)
    assert {item.ref for item in parked_of(store, "g")} == bad
    assert all("HSET on a string" in item.error for item in parked_of(store, "g"))
    assert counts(store, redis_client) == dict.fromkeys([r for r in refs if r not in bad], 1)
    redis_client.unlink(keys.subscriber("g").of("text"))
    assert replay(settings, wrong).handled == 2
    assert counts(store, redis_client) == dict.fromkeys(refs, 1)


class Held:
    """A handler that counts, and holds the first event until it is let go."""

    def __init__(self) -> None:
        self.has_one = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, event: Delivered) -> list[Write]:
        self.has_one.set()
        assert self.let_go.wait(60)
        return count(event)


def test_a_second_replay_is_refused_however_long_the_first_ones_handler_takes(
    settings: AppSettings, store: EventStore, refs: list[str], redis_client: redis.Redis
) -> None:
    held = Held()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(replay, settings, held)
        assert held.has_one.wait(60)
        for _ in range(2):
            with pytest.raises(GroupRefused, match="another replay"):
                replay(settings)
        assert counts(store, redis_client) == {}
        held.let_go.set()
        assert first.result(60).handled == COUNT
    assert counts(store, redis_client) == dict.fromkeys(refs, 1)


def test_a_replay_that_was_taken_over_makes_no_more_writes(
    settings: AppSettings, store: EventStore, refs: list[str], redis_client: redis.Redis
) -> None:
    held = Held()
    [keys] = store.parts.log.partitions
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(replay, settings, held)
        assert held.has_one.wait(60)
        # As if it had been frozen for long: the other has the lease, and all that was parked.
        redis_client.set(keys.lease("g@replay"), "")
        assert replay(settings).handled == COUNT
        held.let_go.set()
        with pytest.raises(GroupRefused, match="another replay"):
            first.result(60)
    assert counts(store, redis_client) == dict.fromkeys(refs, 1)
    assert still(store) == []


def test_two_replays_of_work_put_each_event_on_it_once(
    settings: AppSettings, store: EventStore, redis_client: redis.Redis
) -> None:
    publish(store, "s", 300)
    park_work(store, "g")
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(partial(replay, settings), [None, None]))
    assert sum(each.handled for each in done) == 300
    [keys] = store.parts.log.partitions
    work: Any = redis_client.xrange(keys.work("g").stream)
    assert sorted(int(entry[b"position"]) for _, entry in work) == list(range(1, 301))


def test_the_group_goes_on_and_parks_while_a_replay_is_under_way(
    settings: AppSettings, store: EventStore, refs: list[str], redis_client: redis.Redis
) -> None:
    with EventBus(EventStore(settings)) as bus, ThreadPoolExecutor(2) as pool:

        @bus.subscribe(group="g")
        def live(event: Delivered) -> list[Write]:
            if event.position % 2 == 0:
                raise ValueError("never an even one")
            return count(event)

        held = Held()
        first = pool.submit(replay, settings, held)
        assert held.has_one.wait(60)
        more = publish(store, "s", COUNT)
        going = pool.submit(live.run)
        try:
            until(lambda: at(store, "g").position == 2 * COUNT, what="the group at the head")
            held.let_go.set()
            assert first.result(60).handled == COUNT
        finally:
            held.let_go.set()
            live.stop()
        going.result(60)
    # What was parked meanwhile is another replay's.
    assert still(store) == more[1::2]
    assert counts(store, redis_client) == dict.fromkeys([*refs, *more[0::2]], 1)
    assert replay(settings).handled == COUNT // 2
    assert counts(store, redis_client) == dict.fromkeys(refs + more, 1)


def test_a_replay_that_is_cut_short_is_completed_and_tries_again_what_failed(
    settings: AppSettings, store: EventStore, refs: list[str], redis_client: redis.Redis
) -> None:
    def short(event: Delivered) -> list[Write]:
        if event.ref == refs[0]:
            raise ValueError("not yet")
        if event.ref == refs[3]:
            raise PayloadStoreError("it is down")
        return count(event)

    with pytest.raises(PayloadStoreError):
        replay(settings, short)
    assert still(store) == [refs[0], *refs[3:]]
    assert counts(store, redis_client) == dict.fromkeys(refs[1:3], 1)
    assert replay(settings).handled == COUNT - 2
    assert counts(store, redis_client) == dict.fromkeys(refs, 1)


def test_a_server_of_the_handlers_own_that_is_away_ends_a_replay(
    settings: AppSettings, store: EventStore, refs: list[str]
) -> None:
    def away(event: Delivered) -> None:
        if event.ref == refs[2]:
            raise redis_errors.ConnectionError("refused")

    with pytest.raises(Unavailable, match="run the replay again"):
        replay(settings, away)
    assert still(store) == refs[2:]
