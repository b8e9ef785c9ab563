"""A server, payload store or journal that hangs is told within 5 s, and delays nothing else.

Slow because a hang is told apart from slowness by waiting for it: 3 to 4 s in each test.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.consuming import COUNTING, at, drafts, publish, until_caught_up
from support.monitored import Monitored, monitored, samples
from support.payload_drivers import MODULE, PLACES, with_driver
from support.payloads import GROUP, payload_of
from support.program import clean_environment
from support.s3 import S3Server
from support.stores import make_settings
from support.wait import until

from consumers.applying.journal_group import JournalHandler
from eventstore.bus import EventBus
from eventstore.errors import PayloadStoreError, Unavailable
from eventstore.settings_models import MetricsSettings
from eventstore.settings_storage import JournalSettings, PayloadSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from support.server import PrivateServer

    from eventstore.settings import AppSettings

GROUPS = {**COUNTING, **GROUP}
TESTS = Path(__file__).parents[1]


@pytest.fixture
def settings(server: PrivateServer, namespace: str) -> AppSettings:
    made = make_settings(server, namespace, lease_seconds=0.5, inline_limit=5000)
    return made.model_copy(update={"metrics": MetricsSettings(port=0)})


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@contextmanager
def frozen(server: S3Server) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def impatient(settings: AppSettings) -> AppSettings:
    """Return the settings of a producer that does not wait long for a large payload."""
    payloads = settings.payloads.model_copy(update={"timeout": 0.5})
    store = settings.store.model_copy(update={"publish_timeout": 0.5})
    return settings.model_copy(update={"payloads": payloads, "store": store})


@pytest.fixture(params=["driver", "s3"])
def hanging(
    request: pytest.FixtureRequest, settings: AppSettings, namespace: str
) -> tuple[AppSettings, Callable[[], AbstractContextManager[None]]]:
    """Settings of a store, and what makes its payload store hang."""
    if request.param == "driver":
        return with_driver(settings, namespace), PLACES[namespace].shut
    server: S3Server = request.getfixturevalue("s3")
    payloads = PayloadSettings(url=f"s3://{server.bucket()}", storage_options=server.options)
    return settings.model_copy(update={"payloads": payloads}), lambda: frozen(server)


def test_a_payload_store_that_hangs_delays_payloads_and_nothing_else(
    hanging: tuple[AppSettings, Callable[[], AbstractContextManager[None]]], tmp_path: Path
) -> None:
    settings, hang = hanging
    large = [os.urandom(9000).hex()]
    with (
        EventStore(settings) as store,
        EventStore(impatient(settings)) as producer,
        monitored(settings, tmp_path / "metrics", GROUPS) as served,
    ):
        publish(store, "s", 5)
        until_caught_up(store, "payloads")
        until(lambda: served.readiness() == (200, []), what="readiness")
        with hang():
            publish(store, "s", 20)
            until_caught_up(store)
            check_told(served, EventBus(store), "payloads")
            # Appends and read models go on; payloads wait where everybody sees it.
            publish(store, "s", 20)
            until_caught_up(store)
            assert at(store, "payloads").position == 5
            assert samples(served.metrics()["eventstore_payload_waiting_bytes"])[()] > 0
            lag = samples(served.metrics()["eventstore_projection_lag_events"])
            assert lag == {("counting",): 0, ("payloads",): 40}
            with pytest.raises(PayloadStoreError) as caught:
                producer.append("s", drafts("s", 1, large))
            assert isinstance(caught.value, Unavailable)
            assert len(store.read("s")) == 45
        until_caught_up(store, "payloads")
        until(lambda: served.readiness() == (200, []), what="readiness again")
        store.append("s", drafts("s", 1, large))
        items = store.read("s")
        assert payload_of(store, items[44]) == {"n": 19}
        assert payload_of(store, items[45]) == large


def check_told(served: Monitored, bus: EventBus, name: str) -> None:
    """Both the worker and a process that is none tell of a hang, each with what to do."""
    for found in (served.until_found(name), until(lambda: failing(bus, name))):
        assert "no answer within 3 s" in found["problem"]
        assert "reachable" in found["remedy"]


def failing(bus: EventBus, name: str) -> dict[str, str] | None:
    found = [c for c in bus.health().checks if (c.name, c.status) == (name, "failed")]
    return {"problem": found[0].detail, "remedy": found[0].remedy} if found else None


def test_a_write_that_hangs_where_reads_do_not_is_told(
    settings: AppSettings, tmp_path: Path
) -> None:
    options = {"called": str(tmp_path / "called")}
    payloads = PayloadSettings(driver=f"{MODULE}:Hanging", storage_options=options)
    journal = JournalSettings(url=f"memory://{tmp_path.name}")
    settings = settings.model_copy(update={"payloads": payloads, "journal": journal})
    with EventStore(settings) as store, monitored(settings, tmp_path / "m", GROUPS) as served:
        publish(store, "s", 1)
        found = served.until_found("payload store")
        assert "writing payload driver" in found["problem"]
        assert "has not come back for 3 s" in found["problem"]
        assert until(lambda: failing(EventBus(store), "payload store"))
        until_caught_up(store)


def test_a_journal_that_hangs_delays_itself_alone(
    settings: AppSettings, s3: S3Server, tmp_path: Path
) -> None:
    journal = JournalSettings(url=f"s3://{s3.bucket()}", storage_options=s3.options)
    settings = settings.model_copy(update={"journal": journal})
    groups = {**GROUPS, "journal": JournalHandler}
    with EventStore(settings) as store, monitored(settings, tmp_path / "m", groups) as served:
        publish(store, "s", 5)
        until_caught_up(store, "journal")
        with frozen(s3):
            publish(store, "s", 20)
            until_caught_up(store)
            until_caught_up(store, "payloads")
            check_told(served, EventBus(store), "journal")
            assert at(store, "journal").position == 5
        until_caught_up(store, "journal")
        until(lambda: served.readiness() == (200, []), what="readiness again")


def test_a_server_that_is_frozen(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> None:
    server = private_server()
    made = make_settings(server, namespace, lease_seconds=0.5)
    settings = made.model_copy(update={"metrics": MetricsSettings(port=0)})
    with EventStore(settings) as store, monitored(settings, tmp_path / "m") as served:
        publish(store, "s", 1)
        until(lambda: served.readiness() == (200, []), what="readiness")
        server.freeze()
        try:
            assert "has not answered for" in served.until_found("look")["problem"]
        finally:
            server.thaw()
        until(lambda: served.readiness() == (200, []), what="readiness again")


def test_a_worker_whose_driver_hangs_ends_on_request(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    called = tmp_path / "called"
    environment = clean_environment(
        PYTHONPATH=str(TESTS),
        REDIS_URL=server.url,
        EVENTSTORE_HOME=str(tmp_path / "home"),
        EVENTSTORE_STORE__NAMESPACE=namespace,
        EVENTSTORE_PAYLOADS__DRIVER=f"{MODULE}:Hanging",
        EVENTSTORE_PAYLOADS__STORAGE_OPTIONS=f'{{"called": "{called}"}}',
        EVENTSTORE_METRICS__PORT="0",
    )
    with EventStore(make_settings(server, namespace)) as store:
        publish(store, "s", 1)
    log = tmp_path / "work.log"
    with log.open("wb") as errors:
        command = [sys.executable, "-P", "-m", "consumers", "work"]
        process = subprocess.Popen(command, env=environment, stderr=errors)
    try:
        until(called.exists, what="a call of the driver")
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert "leaving a write to the payload store behind" in log.read_text()
