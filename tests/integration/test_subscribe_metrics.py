"""Subscribers in the metrics of a worker: their lag, counted like that of its own groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.consuming import publish
from support.monitored import monitored, samples
from support.stores import make_settings, open_store
from support.subscribing import take

from consumers.working.groups import known_groups
from eventstore.retention import TOLERATED
from eventstore.settings_models import MetricsSettings, RetentionSettings

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer


def test_the_lag_of_a_subscriber_is_exported(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    settings = make_settings(server, namespace, 2).model_copy(
        update={"metrics": MetricsSettings(port=0)}
    )
    with (
        open_store(server, namespace, 2) as store,
        monitored(settings, tmp_path / "metrics") as served,
    ):
        publish(store, "s", 20)
        with store.subscribe(group="mailer") as events:
            take(events, 5)
            events.commit()
            found = served.metrics()
            take(events, 15)
            events.commit()
            at_head = served.metrics()
    assert samples(found["eventstore_projection_lag_events"])[("mailer",)] == 15
    assert samples(found["eventstore_projection_lag_seconds"])[("mailer",)] > 0
    assert samples(at_head["eventstore_projection_lag_events"])[("mailer",)] == 0


def test_what_a_subscriber_holds_from_trimming_is_exported_and_turns_a_worker_red(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    settings = make_settings(server, namespace, lease_seconds=0.3).model_copy(
        update={
            "metrics": MetricsSettings(port=0),
            "retention": RetentionSettings(keep_events=5),
        }
    )
    with open_store(server, namespace) as store:
        publish(store, "s", 1)
        take(store.subscribe(group="mailer"), 1)
        with monitored(settings, tmp_path / "metrics", known_groups()) as served:
            publish(store, "s", TOLERATED + 10)
            found = served.until_found("retention")
            held = samples(served.metrics()["eventstore_retention_held_events"])
            assert held[("mailer",)] == TOLERATED + 6
    assert "eventstore group delete" in found["remedy"]
    assert f"mailer with {TOLERATED + 6} events" in found["problem"]
