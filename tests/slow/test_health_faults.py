"""Readiness turns red for what stops or endangers a store, and green again once it is mended.

Each fault is the real one. How soon it shows follows from how often a worker looks
(`LOOK_SECONDS`), how long it lets a look take (`LATE_SECONDS`) and when a silent worker counts as
stopped, which are compared with the 5 s that are promised.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.consuming import COUNTING, publish, until_caught_up
from support.monitored import Monitored, monitored
from support.payload_drivers import PLACES, with_driver
from support.payloads import GROUP
from support.stores import make_settings
from support.wait import until
from support.worker_process import worker_process

from consumers.monitoring.diagnosis import examine_store
from consumers.monitoring.watching import LATE_SECONDS, LOOK_SECONDS
from eventstore.bus import EventBus
from eventstore.consuming.lease import BEATS_PER_LEASE
from eventstore.health_consumers import SILENT_LEASES
from eventstore.health_payloads import PATIENCE
from eventstore.keys import Keys
from eventstore.settings_models import MetricsSettings, StoreSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from eventstore.health_checks import Check
    from eventstore.settings import AppSettings

    Starter = Callable[..., PrivateServer]

PROMISED = 5.0


@pytest.fixture
def settings(server: PrivateServer, namespace: str) -> AppSettings:
    return settings_on(server, namespace)


def settings_on(server: PrivateServer, namespace: str) -> AppSettings:
    made = make_settings(server, namespace, lease_seconds=0.5)
    return made.model_copy(update={"metrics": MetricsSettings(port=0)})


@contextmanager
def serving(settings: AppSettings, folder: Path) -> Iterator[tuple[Monitored, EventStore]]:
    """Run a worker that has consumed something and is ready."""
    with EventStore(settings) as store, monitored(settings, folder / "metrics") as served:
        publish(store, "s", 3)
        until_caught_up(store)
        until_ready(served)
        yield served, store


def until_ready(served: Monitored) -> None:
    until(lambda: served.readiness() == (200, []), what="readiness")


def failed(bus: EventBus, name: str) -> Check | None:
    """Return what health() says failed in a process that is no worker."""
    return next((c for c in bus.health().checks if (c.name, c.status) == (name, "failed")), None)


def test_what_is_promised_follows_from_how_often_is_looked() -> None:
    beat = StoreSettings().lease_seconds / BEATS_PER_LEASE
    assert LOOK_SECONDS + PATIENCE <= PROMISED
    assert LATE_SECONDS <= PROMISED
    assert beat + LOOK_SECONDS + PATIENCE <= PROMISED
    assert SILENT_LEASES * StoreSettings().lease_seconds + LOOK_SECONDS <= PROMISED


def test_a_worker_that_stops(settings: AppSettings, tmp_path: Path) -> None:
    with EventStore(settings) as store, worker_process(settings, tmp_path) as worker:
        bus = EventBus(store)
        publish(store, "s", 1)
        until_caught_up(store)
        assert failed(bus, "workers") is None
        worker.freeze()
        found = until(lambda: failed(bus, "workers"), what="a silent worker")
        assert "went silent" in found.detail
        assert "`eventstore work`" in found.remedy
        worker.thaw()
        until(lambda: failed(bus, "workers") is None, what="a worker that beats again")
        worker.process.kill()
        until(lambda: failed(bus, "workers"), what="a killed worker")


def test_a_group_that_nobody_serves(settings: AppSettings, tmp_path: Path) -> None:
    with serving(settings, tmp_path) as (_, store):
        found = until(lambda: failed(EventBus(store), "consumers"), what="groups without workers")
        assert "no worker serves index, timeline, branch, evaluation, payloads" in found.detail
        assert found.remedy.startswith("start one: `eventstore work --only index,")


def test_scripts_that_are_lost(private_server: Starter, namespace: str, tmp_path: Path) -> None:
    server = private_server()
    settings = settings_on(server, namespace)
    with serving(settings, tmp_path) as (served, store), server.client() as client:
        client.script_flush()
        finding = served.until_found("scripts")
        assert "append" in finding["problem"]
        assert "apply" in finding["problem"]
        assert "SCRIPT FLUSH" in finding["problem"]
        publish(store, "s", 1)
        until_caught_up(store)
        until_ready(served)
        client.script_flush()
        assert failed(EventBus(store), "scripts")


def test_a_consumer_group_that_is_destroyed(
    settings: AppSettings, namespace: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    with serving(settings, tmp_path) as (served, store):
        redis_client.xgroup_destroy(Keys(namespace, 0).stream, "counting")
        finding = served.until_found("groups")
        assert "counting/0" in finding["problem"]
        assert "next batch" in finding["remedy"]
        publish(store, "s", 1)
        until_caught_up(store)
        until_ready(served)


def test_a_server_that_may_evict(private_server: Starter, namespace: str, tmp_path: Path) -> None:
    server = private_server()
    settings = settings_on(server, namespace)
    with serving(settings, tmp_path) as (served, store), server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        finding = served.until_found("eviction")
        assert "allkeys-lru" in finding["problem"]
        assert "CONFIG SET maxmemory-policy noeviction" in finding["remedy"]
        assert failed(EventBus(store), "eviction")
        client.config_set("maxmemory-policy", "noeviction")
        until_ready(served)


def test_durability_that_is_taken_away(
    private_server: Starter, namespace: str, tmp_path: Path
) -> None:
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    made = settings_on(server, namespace)
    strict = made.store.model_copy(update={"durability": "fsync"})
    settings = made.model_copy(update={"store": strict})
    with serving(settings, tmp_path) as (served, _), server.client() as client:
        client.config_set("appendfsync", "everysec")
        finding = served.until_found("durability")
        assert "needs appendfsync always, the server has everysec" in finding["problem"]
        client.config_set("appendfsync", "always")
        until_ready(served)


def test_a_log_that_was_cut(
    settings: AppSettings, namespace: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    with serving(settings, tmp_path) as (served, store):
        redis_client.xdel(Keys(namespace, 0).stream, "0-3")
        finding = served.until_found("store")
        assert "the log ends at 2, and 3 were appended: its tail is gone" in finding["problem"]
        assert failed(EventBus(store), "store")


def test_a_server_that_comes_back_without_its_last_events(
    private_server: Starter, namespace: str, tmp_path: Path
) -> None:
    server = private_server()
    settings = settings_on(server, namespace)
    with serving(settings, tmp_path) as (served, store), server.client() as client:
        client.save()
        publish(store, "s", 2)
        until_caught_up(store)
        # The worker has seen the events that the snapshot does not have.
        until(lambda: "5 events" in detail(served, "store"), what="the new head seen")
        server.kill()
        server.start()
        finding = served.until_found("log")
        assert "it ends at 3, and ended at 5 before" in finding["problem"]
        assert "restore the log" in finding["remedy"]


def detail(served: Monitored, name: str) -> str:
    return next((c.detail for c in served.health().checks if c.name == name), "")


def test_a_payload_store_that_fails_is_told_by_its_worker_to_everybody(
    settings: AppSettings, namespace: str, tmp_path: Path
) -> None:
    settings = with_driver(settings, namespace)
    place, groups = PLACES[namespace], {**COUNTING, **GROUP}
    with (
        EventStore(settings) as store,
        monitored(settings, tmp_path / "metrics", groups) as served,
    ):
        bus = EventBus(store)
        with place.failing():
            publish(store, "s", 1)
            until_caught_up(store)
            finding = served.until_found("payloads/0")
            assert "No space left on device; free space" in finding["problem"]
            told = until(lambda: failed(bus, "payloads/0"), what="a report of the worker")
            assert finding["problem"] in told.detail
            assert told.remedy == finding["remedy"]
        until_caught_up(store, "payloads")
        until_ready(served)
        until(lambda: failed(bus, "payloads/0") is None, what="the report taken back")


def test_doctor_tells_of_a_payload_store_that_is_full(
    settings: AppSettings, namespace: str
) -> None:
    with EventStore(with_driver(settings, namespace)) as store, PLACES[namespace].failing():
        checks = {check.name: check for check in examine_store(EventBus(store))}
    for name in ("payloads", "payload write"):
        assert checks[name].status == "failed"
        assert "No space left on device" in checks[name].detail
        assert "reachable and can be written" in checks[name].remedy
