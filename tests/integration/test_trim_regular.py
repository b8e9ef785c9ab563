"""A worker with a retention rule keeps the server's part of the log as small as it says."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anyio.from_thread import start_blocking_portal
from support.consuming import STOP_TIMEOUT, publish
from support.stores import make_settings
from support.trimming import put_groups
from support.wait import until

from consumers.trimming.regular import LEAST, trim_regularly
from consumers.working.groups import known_groups
from consumers.working.worker import Worker
from eventstore.settings_models import RetentionSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.settings import AppSettings

PARTITIONS = 2
# Each in a partition of its own.
SESSIONS = ("a", "d")
KEPT = 60


def keeping(server: PrivateServer, namespace: str, **rule: Any) -> AppSettings:
    settings = make_settings(server, namespace, PARTITIONS, lease_seconds=0.3)
    return settings.model_copy(update={"retention": RetentionSettings(**rule)})


@contextmanager
def working(settings: AppSettings) -> Iterator[Any]:
    """Run a worker and its trims; yields the future of the trims."""
    with start_blocking_portal("asyncio") as portal:
        worker = portal.call(Worker, settings, known_groups())
        done = portal.start_task_soon(worker.run)
        trims = portal.start_task_soon(trim_regularly, worker, 0.05)
        try:
            yield trims
        finally:
            trims.cancel()
            portal.call(worker.stop)
            done.result(STOP_TIMEOUT)


def lengths(client: redis.Redis, store: EventStore) -> list[int]:
    return [int(client.xlen(keys.stream)) for keys in store.parts.log.partitions]


def test_each_partition_is_trimmed_while_events_come(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    settings = keeping(server, namespace, keep_events=KEPT)
    with EventStore(settings) as store, working(settings):
        refs: dict[str, list[str]] = {session: [] for session in SESSIONS}
        for _ in range(3):
            for session in SESSIONS:
                refs[session] += publish(store, session, 2 * LEAST // 3)
        until(
            lambda: all(KEPT <= n < KEPT + LEAST for n in lengths(redis_client, store)),
            what="the window",
        )
        for session in SESSIONS:
            assert [each.event.ref for each in store.read(session)] == refs[session]


def test_a_group_that_stands_still_holds_it_back_and_nothing_else(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    settings = keeping(server, namespace, keep_events=KEPT)
    with EventStore(settings) as store:
        store.open()
        # Of a subscriber that is gone: in partition 0 it never got beyond event 7.
        publish(store, SESSIONS[0], 2 * LEAST)
        publish(store, SESSIONS[1], 2 * LEAST)
        put_groups(redis_client, store, {"gone": 7})
        with working(settings):
            # What is due may be too little for another step, by where the groups were at the first.
            until(
                lambda: KEPT <= lengths(redis_client, store)[1] < KEPT + LEAST,
                what="the other partition",
            )
        assert lengths(redis_client, store)[0] == 2 * LEAST


def test_without_a_rule_there_are_no_trims(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    with EventStore(keeping(server, namespace)) as store:
        publish(store, SESSIONS[0], 2 * LEAST)
        with working(store.parts.settings) as trims:
            trims.result(STOP_TIMEOUT)
        assert sum(lengths(redis_client, store)) == 2 * LEAST
