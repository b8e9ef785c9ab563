"""The worker's metrics as Prometheus reads them.

Names start with `eventstore_`; no session, ref or worker is ever a label. What concerns the
whole store is read from the server at each scrape, so any worker can serve it and it is right
after any restart. What the server did not tell is left out, never zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from eventstore.instruments import append_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from consumers.monitoring.health import SlotStatus
    from consumers.monitoring.sampling import StoreSample
    from eventstore.health_findings import Health

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MAX_TYPES: Final = 100
OTHER: Final = "other"
_LEVELS: Final = ("ok", "warning", "failed")


class TypeLabels:
    """Which types of events have a label of their own: the first hundred that were seen.

    A type keeps its label for the life of the process, so that `other` never falls.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()

    def fold(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Return the counts by label, the types without one summed up as `other`."""
        for name in sorted(counts, key=lambda name: (-counts[name], name)):
            if len(self._known) < MAX_TYPES:
                self._known.add(name)
        folded: dict[str, int] = {}
        for name, count in counts.items():
            label = name if name in self._known else OTHER
            folded[label] = folded.get(label, 0) + count
        return folded


class _Fixed(Collector):
    """A collector of families that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def render(families: Iterable[Metric]) -> bytes:
    """Return families in the text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(families))
    return generate_latest(registry)


def worker_families(
    statuses: Iterable[SlotStatus],
    connections: tuple[int, int],
    max_connections: int,
    *,
    store_up: bool,
) -> Iterator[Metric]:
    """Return what a worker knows of itself; `connections` are idle and in use."""
    up = GaugeMetricFamily("eventstore_up", "Whether this scrape could read the store.")
    up.add_metric([], float(store_up))
    yield up
    pool = GaugeMetricFamily(
        "eventstore_redis_pool_connections",
        "Connections of this worker to the server.",
        labels=["state"],
    )
    for state, count in zip(("idle", "used"), connections, strict=True):
        pool.add_metric([state], count)
    yield pool
    yield GaugeMetricFamily(
        "eventstore_redis_pool_limit_connections",
        "Connections that this worker may have to the server at once.",
        value=max_connections,
    )
    faults: dict[str, int] = {}
    for status in statuses:
        faults[status.slot.group] = faults.get(status.slot.group, 0) + status.total_failures
    failures = CounterMetricFamily(
        "eventstore_consumer_failures",
        "Faults that this worker met while consuming, each retried.",
        labels=["group"],
    )
    for group, count in faults.items():
        failures.add_metric([group], count)
    yield failures
    yield _append_seconds()


def health_families(health: Health) -> Iterator[Metric]:
    """Return what `/readyz` says, a check at a time; of a group's slots the worst counts."""
    levels: dict[str, int] = {}
    for check in health.checks:
        name = check.name.partition("/")[0]
        levels[name] = max(levels.get(name, 0), _LEVELS.index(check.status))
    family = GaugeMetricFamily(
        "eventstore_health_status",
        "What /readyz says of each check: 0 ok, 1 warning, 2 failed.",
        labels=["check"],
    )
    for name, level in sorted(levels.items()):
        family.add_metric([name], level)
    yield family


def _append_seconds() -> Metric:
    seen = append_seconds.read()
    buckets = [
        (str(bound), float(count)) for bound, count in zip(seen.bounds, seen.at_most, strict=True)
    ]
    family = HistogramMetricFamily(
        "eventstore_append_duration_seconds",
        "Time that appends of this process took, retries included.",
    )
    family.add_metric([], [*buckets, ("+Inf", float(seen.count))], seen.sum)
    return family


def store_families(sample: StoreSample, types: TypeLabels) -> Iterator[Metric]:
    """Return what a sample says of the store."""
    yield _counter(
        "eventstore_events_appended",
        "Events in the log ever appended, by type; from the hundredth type on, as other.",
        "type",
        types.fold(sample.appended),
    )
    yield _counter(
        "eventstore_payload_bytes",
        "Payload bytes, as kept, that ever came into a tier: buffer in the server, file by ref, "
        "file by digest.",
        "tier",
        sample.payload_bytes,
    )
    yield GaugeMetricFamily(
        "eventstore_payload_waiting_bytes",
        "Payload bytes in the server that wait to be moved to files.",
        value=sample.waiting_bytes,
    )
    yield _gauge(
        "eventstore_payload_stored_bytes",
        "Payload bytes of all events, as kept, by where they are now; digest counts content that "
        "events share for each of them.",
        sample.stored_bytes,
        "tier",
    )
    if sample.memory_bytes is not None:
        yield GaugeMetricFamily(
            "eventstore_redis_memory_bytes",
            "Memory that the server uses, for whatever is on it.",
            value=sample.memory_bytes,
        )
    if sample.memory_limit is not None:
        yield GaugeMetricFamily(
            "eventstore_redis_memory_limit_bytes",
            "Memory at which the server refuses appends (maxmemory); left out where it has none.",
            value=sample.memory_limit,
        )
    if sample.stream_bytes is not None:
        yield GaugeMetricFamily(
            "eventstore_stream_bytes",
            "Memory that the log takes in the server, by its own sampled estimate.",
            value=sample.stream_bytes,
        )
    yield GaugeMetricFamily(
        "eventstore_sessions_active",
        "Sessions appended to within 15 minutes.",
        value=sample.sessions_active,
    )
    if sample.sessions is not None:
        yield GaugeMetricFamily(
            "eventstore_sessions",
            "Sessions in the log, those that were closed included.",
            value=sample.sessions,
        )
    yield _gauge(
        "eventstore_parked_events",
        "Events that a group gave up and went on without.",
        sample.parked,
    )
    if sample.held is not None:
        yield _gauge(
            "eventstore_retention_held_events",
            "Events in the server that the retention rule does not keep, and that a group has not "
            "passed; left out without a rule.",
            sample.held,
        )
    yield from _lag_families(sample)


def _lag_families(sample: StoreSample) -> Iterator[Metric]:
    events: dict[str, int] = {}
    seconds: dict[str, float] = {}
    unknown: set[str] = set()
    for slot, lag in sample.lags.items():
        events[slot.group] = events.get(slot.group, 0) + lag.events
        if lag.seconds is None:
            unknown.add(slot.group)
        else:
            seconds[slot.group] = max(seconds.get(slot.group, 0.0), lag.seconds)
    yield _gauge(
        "eventstore_projection_lag_events",
        "Events of the log that a group has not consumed.",
        events,
    )
    yield _gauge(
        "eventstore_projection_lag_seconds",
        "Time since the oldest event that a group has not consumed was appended; left out where "
        "that event is in the journal alone.",
        {group: value for group, value in seconds.items() if group not in unknown},
    )


def _counter(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family


def journal_families(size: int | None) -> Iterator[Metric]:
    """Return what was measured of the journal."""
    if size is not None:
        yield GaugeMetricFamily(
            "eventstore_journal_bytes",
            "Bytes of the journal's files, measured every 15 minutes by the worker that writes "
            "partition 0.",
            value=size,
        )


def _gauge(name: str, text: str, values: Mapping[str, float], label: str = "group") -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)
    return family
