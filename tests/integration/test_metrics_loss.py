"""What a worker serves over HTTP while its store is away, or gone: no zeros, and not ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import publish, until_caught_up
from support.monitored import monitored, samples
from support.stores import make_settings, open_store
from support.wait import until

from eventstore.errors import Diverged
from eventstore.settings_models import MetricsSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.server import PrivateServer

ANY_PORT = {"metrics": MetricsSettings(port=0)}


def test_a_store_that_is_away_is_said_and_not_zero(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> None:
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    settings = make_settings(server, namespace).model_copy(update=ANY_PORT)
    with open_store(server, namespace) as store:
        publish(store, "s", 3)
    with monitored(settings, tmp_path / "metrics") as served:
        until(lambda: served.readiness()[0] == 200, what="readiness")
        server.kill()
        until(lambda: served.readiness()[0] == 503, what="no readiness")
        until(lambda: "store" in {found["where"] for found in served.readiness()[1]})
        found = served.metrics()
        assert samples(found["eventstore_up"]) == {(): 0}
        assert "eventstore_events_appended" not in found
        assert "eventstore_projection_lag_events" not in found
        assert served.get("/healthz")[::2] == (200, b"ok\n")
        server.start()
        until(lambda: served.readiness() == (200, []), what="readiness again")
        assert samples(served.metrics()["eventstore_up"]) == {(): 1}


def test_a_store_that_is_gone_from_its_server_is_said_and_not_zero(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    settings = make_settings(server, namespace).model_copy(update=ANY_PORT)
    with EventStore(settings) as store, monitored(settings, tmp_path / "metrics") as served:
        publish(store, "s", 3)
        until_caught_up(store)
        until(lambda: served.readiness()[0] == 200, what="readiness")
        with server.client() as client:
            client.unlink(*client.scan_iter(match=f"{{{namespace}:*", count=1000))
        until(lambda: served.readiness()[0] == 503, what="no readiness")
        until(lambda: "store" in {found["where"] for found in served.readiness()[1]})
        problems = {found["problem"] for found in served.readiness()[1]}
        assert any(problem.startswith("Diverged") for problem in problems)
        found = served.metrics()
        assert samples(found["eventstore_up"]) == {(): 0}
        assert "eventstore_events_appended" not in found
        with pytest.raises(Diverged, match="gone from the server"):
            store.head()
