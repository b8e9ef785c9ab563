"""What a worker serves over HTTP: metrics that Prometheus takes, and honest health."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.consuming import (
    COUNTING,
    counting_group,
    counting_groups,
    drafts,
    publish,
    running,
    until_caught_up,
)
from support.hostile import NAMES as NAMES_OF_ANY_TEXT
from support.monitored import Monitored, monitored, samples
from support.stores import make_settings
from support.wait import until

from consumers.applying.payload_group import PayloadHandler
from eventstore.settings_models import MetricsSettings
from eventstore.settings_storage import PayloadSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from eventstore.settings import AppSettings
    from projections.base import Write

ANY_PORT = {"metrics": MetricsSettings(port=0)}
NAME = re.compile(r"eventstore(_[a-z]+)+")
LABELS = {"type", "group", "tier", "state", "reason", "le", "check"}
UNITS = (
    "_seconds",
    "_bytes",
    "_events",
    "_total",
    "_connections",
    "_active",
    "_up",
    "_status",
    "_sessions",
)
NAMES = {
    f"eventstore_{name}"
    for name in (
        "up",
        "health_status",
        "events_appended",
        "append_duration_seconds",
        "projection_lag_events",
        "projection_lag_seconds",
        "payload_bytes",
        "payload_waiting_bytes",
        "payload_stored_bytes",
        "redis_memory_bytes",
        "stream_bytes",
        "sessions",
        "sessions_active",
        "parked_events",
        "redis_pool_connections",
        "redis_pool_limit_connections",
        "consumer_failures",
        "emit_rejected",
    )
}


@pytest.fixture
def settings(server: PrivateServer, namespace: str) -> AppSettings:
    return make_settings(server, namespace, lease_seconds=0.5).model_copy(update=ANY_PORT)


@pytest.fixture
def served(settings: AppSettings, tmp_path: Path) -> Iterator[Monitored]:
    with monitored(settings, tmp_path / "metrics") as served:
        yield served


def test_every_metric_keeps_to_the_conventions(settings: AppSettings, tmp_path: Path) -> None:
    groups = {**COUNTING, "payloads": PayloadHandler}
    with EventStore(settings) as store, monitored(settings, tmp_path / "metrics", groups) as served:
        publish(store, "a session", 3)
        until_caught_up(store)
        # What an application emits is under names of its own, in this process other tests'.
        found = {
            name: family
            for name, family in served.metrics().items()
            if not name.startswith("eventstore_app_")
        }
    assert set(found) == NAMES
    for name, family in found.items():
        assert NAME.fullmatch(name), name
        assert family.documentation.endswith(".")
        assert family.samples
        for sample in family.samples:
            assert set(sample.labels) <= LABELS
            assert not {"a session"} & set(sample.labels.values())
            counts = sample.name.endswith(("_total", "_bucket", "_count", "_sum"))
            assert counts == (family.type in ("counter", "histogram"))
            base = sample.name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
            assert base.endswith(UNITS)


def test_the_store_is_counted_over_all_partitions(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    settings = make_settings(server, namespace, 4, inline_limit=1000).model_copy(update=ANY_PORT)
    groups = {**COUNTING, "payloads": PayloadHandler}
    with EventStore(settings) as store, monitored(settings, tmp_path / "metrics", groups) as served:
        for n in range(6):
            publish(store, f"s{n}", 10, "text!")
            store.append(f"s{n}", drafts(f"s{n}", 1, bytes(range(256)) * 4, type="blob"))
        until_caught_up(store)
        until_caught_up(store, "payloads")
        found = served.metrics()
    digest = samples(found["eventstore_payload_bytes"])[("digest",)]
    assert digest > 0
    assert samples(found["eventstore_events_appended"]) == {("state",): 60, ("blob",): 6}
    assert samples(found["eventstore_payload_bytes"]) == {
        ("buffer",): 300,
        ("file",): 300,
        ("digest",): digest,
    }
    assert samples(found["eventstore_payload_waiting_bytes"]) == {(): 0}
    assert samples(found["eventstore_sessions_active"]) == {(): 6}
    assert samples(found["eventstore_sessions"]) == {(): 6}
    assert samples(found["eventstore_up"]) == {(): 1}
    assert samples(found["eventstore_stream_bytes"])[()] > 1000
    lag = {("counting",): 0.0, ("payloads",): 0.0}
    assert samples(found["eventstore_projection_lag_events"]) == lag
    assert samples(found["eventstore_projection_lag_seconds"]) == lag
    pool = samples(found["eventstore_redis_pool_connections"])
    most = samples(found["eventstore_redis_pool_limit_connections"])[()]
    assert 8 <= pool[("used",)] + pool[("idle",)] <= most


def test_a_type_of_any_text_is_a_label_as_it_is(served: Monitored, settings: AppSettings) -> None:
    with EventStore(settings) as store:
        for name in NAMES_OF_ANY_TEXT:
            store.append("s", drafts("s", 1, type=name))
    counted = samples(served.metrics()["eventstore_events_appended"])
    assert counted == {(name,): 1 for name in NAMES_OF_ANY_TEXT}


def test_the_lag_of_every_group_is_shown_by_any_worker(
    settings: AppSettings, tmp_path: Path
) -> None:
    with EventStore(settings) as store:
        with running(settings):
            publish(store, "s", 10)
            until_caught_up(store)
        publish(store, "s", 5)
        with monitored(settings, tmp_path / "metrics", counting_groups("other")) as served:
            until_caught_up(store, "other")
            found = served.metrics()
            assert samples(found["eventstore_projection_lag_events"]) == {
                ("counting",): 5,
                ("other",): 0,
            }
            until(lambda: lag_seconds(served)["counting"] > 0, what="an age")
            assert lag_seconds(served)["other"] == 0


def lag_seconds(served: Monitored) -> dict[str, float]:
    family = served.metrics()["eventstore_projection_lag_seconds"]
    return {sample.labels["group"]: sample.value for sample in family.samples}


def test_the_process_own_appends_are_timed(served: Monitored, settings: AppSettings) -> None:
    def count() -> float:
        family = served.metrics()["eventstore_append_duration_seconds"]
        [found] = [s.value for s in family.samples if s.name.endswith("_count")]
        [inf] = [s.value for s in family.samples if s.labels.get("le") == "+Inf"]
        assert found == inf
        return found

    before = count()
    with EventStore(settings) as store:
        publish(store, "s", 100)
        publish(store, "t", 200)
    assert count() == before + 3


class Failing:
    """A group that fails while a file exists."""

    name = "counting"
    parks = False

    def __init__(self, access: StoreAccess, fault: Path) -> None:
        self._fault = fault
        self._inner = counting_group(access)

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        if self._fault.exists():
            raise ZeroDivisionError("a defect")
        return await self._inner.writes(events, generation, keys)


def test_a_group_that_fails_turns_readiness_red_until_it_gets_on(
    settings: AppSettings, tmp_path: Path
) -> None:
    fault = tmp_path / "fault"
    fault.touch()
    groups = {"counting": lambda access: Failing(access, fault)}
    with EventStore(settings) as store, monitored(settings, tmp_path / "metrics", groups) as served:
        publish(store, "s", 3)
        finding = served.until_found("counting/0")
        assert finding["problem"] == "ZeroDivisionError: a defect"
        assert "worker's log" in finding["remedy"]
        failures = samples(served.metrics()["eventstore_consumer_failures"])
        assert failures[("counting",)] >= 1
        fault.unlink()
        until(lambda: served.readiness() == (200, []), what="readiness again")


def test_a_payload_store_that_is_down_turns_readiness_red(
    settings: AppSettings, tmp_path: Path
) -> None:
    payloads = PayloadSettings(url=str(tmp_path / "p"))
    settings = settings.model_copy(update={"payloads": payloads})
    groups = {"payloads": PayloadHandler}
    with EventStore(settings) as store:
        store.open()
    (tmp_path / "p").touch()
    with EventStore(settings) as store, monitored(settings, tmp_path / "metrics", groups) as served:
        publish(store, "s", 3)
        finding = served.until_found("payloads/0")
        assert "payloads.url" in finding["remedy"]
        waiting = samples(served.metrics()["eventstore_payload_waiting_bytes"])
        assert waiting[()] > 0
