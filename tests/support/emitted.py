"""Emitted metrics with a registry of their own, and what Prometheus would read of it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from eventstore.emitting import Metrics
from eventstore.emitting_prometheus import PrometheusBackend


class Shown:
    """Metrics with a registry of their own, and what Prometheus would read of it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics()
        self.emit = self.metrics.emit
        self.backend = PrometheusBackend(self.metrics.rejected, self.registry)
        self.metrics._backend = self.backend

    def samples(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Return the values of one series by their labels."""
        text = generate_latest(self.registry).decode()
        return {
            tuple(sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    def rejected(self) -> dict[str, float]:
        counts = self.samples("eventstore_emit_rejected_total")
        return {dict(labels)["reason"]: count for labels, count in counts.items() if count}
