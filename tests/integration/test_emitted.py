"""What a worker's process emits is on the worker's own /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from support.monitored import monitored, samples
from support.stores import make_settings

from consumers.monitoring import monitor
from eventstore.emitting import Metrics
from eventstore.emitting_prometheus import PrometheusBackend
from eventstore.settings_models import MetricsSettings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from support.server import PrivateServer


def test_a_worker_shows_what_its_process_emits(
    server: PrivateServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    metrics._prometheus = PrometheusBackend(metrics.rejected, CollectorRegistry())
    monkeypatch.setattr(monitor, "emitted", metrics)
    metrics.emit("tool_calls_total", 2, tags={"tool": "weather"})
    metrics.emit("tool_calls_total", float("nan"), tags={"tool": "weather"})
    settings = make_settings(server, namespace, lease_seconds=0.5).model_copy(
        update={"metrics": MetricsSettings(port=0)}
    )
    with monitored(settings, tmp_path / "metrics") as served:
        found = served.metrics()
    calls = found["eventstore_app_tool_calls"]
    assert [s.value for s in calls.samples if s.name.endswith("_total")] == [2]
    rejected = samples(found["eventstore_emit_rejected"])
    assert rejected == {("name",): 0, ("tags",): 0, ("value",): 1, ("backend",): 0}
