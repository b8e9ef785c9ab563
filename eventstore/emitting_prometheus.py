"""Emitted metrics in Prometheus: what `metrics.emit` becomes without a backend of the program's.

`emit("tool.latency", 250, tags={"tool": "weather"})` is observed by the histogram
`eventstore_app_tool_latency{tool="weather"}`; a name that ends in `_total` is a counter, and the
value is added. Histograms have the bounds 1, 2.5 and 5 of every power of ten from 0.0001 to
1,000,000, so that seconds, milliseconds, tokens and scores fit alike.

In names of metrics and tags every character but A-Z, a-z, 0-9 and _ becomes `_`. The first
emission of a name fixes its spelling and the keys of its tags. What differs later is rejected,
as is a value that is no finite number: `eventstore_emit_rejected_total{reason}` counts it. A name
has at most 100 different sets of tag values of its own, a process 2,000 and 200 names; beyond
them sets are counted together, with `other` for each value, and names are rejected.
"""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, SupportsFloat

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from eventstore.emitting import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import CollectorRegistry

PREFIX: Final = "eventstore_app_"
MAX_NAMES: Final = 200
MAX_SETS_OF_A_NAME: Final = 100
MAX_SETS: Final = 2_000
OTHER: Final = "other"
BOUNDS: Final = (
    *(float(f"{digits}e{power}") for power in range(-4, 6) for digits in ("1", "2.5", "5")),
    1e6,
)
_MAX_NAME_LENGTH: Final = 200
_MAX_VALUE_LENGTH: Final = 200
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_]")
_REASONS: Final = ("name", "tags", "value", "backend")
# Taken over a fork by its parent, so that no child gets it held.
_emitting: Final = threading.Lock()
os.register_at_fork(
    before=_emitting.acquire,
    after_in_parent=_emitting.release,
    after_in_child=_emitting.release,
)


class PrometheusBackend:
    """Keeps emitted metrics in a registry; Prometheus's default one, which every exporter shows.

    `rejected` tells how many emissions were rejected, by reason. Safe to share between threads.
    """

    def __init__(
        self, rejected: Callable[[], Mapping[str, int]], registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._registry = registry
        self._families: dict[str, _Family] = {}
        self._sets = 0
        self._rejections = _Rejections(rejected)
        registry.register(self._rejections)

    def emit(self, name: str, value: float, tags: Mapping[str, str] | None = None) -> None:
        """Observe or add a value. Raises `Rejected`."""
        number = _number(value)
        labels = _labels(tags)
        metric_name = _metric_name(name)
        with _emitting:
            family = self._families.get(metric_name) or self._new(metric_name, name, labels)
            family.check(name, labels)
            family.record(number, self._admitted(family, tuple(labels.values())))

    def collect(self) -> Iterator[Metric]:
        """Yield what was emitted, and what was rejected."""
        with _emitting:
            families = list(self._families.values())
        for family in families:
            yield from family.metric.collect()
        yield from self._rejections.collect()

    def _admitted(self, family: _Family, values: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tag values to count under: these, or `other` for each if there are many."""
        if not values or values in family.known:
            return values
        if len(family.known) >= MAX_SETS_OF_A_NAME or self._sets >= MAX_SETS:
            return (OTHER,) * len(values)
        family.known.add(values)
        self._sets += 1
        return values

    def _new(self, metric_name: str, name: str, labels: Mapping[str, str]) -> _Family:
        if len(self._families) >= MAX_NAMES:
            raise Rejected("name", f"there are {MAX_NAMES} names already; put variants into tags")
        text = f"Emitted by the program as {name!r}."
        try:
            metric = (
                Counter(metric_name, text, tuple(labels), registry=self._registry)
                if metric_name.endswith("_total")
                else Histogram(
                    metric_name, text, tuple(labels), registry=self._registry, buckets=BOUNDS
                )
            )
        except ValueError as error:
            raise Rejected("name", f"another metric has a series of this name ({error})") from None
        self._families[metric_name] = family = _Family(name, tuple(labels), metric)
        return family


class _Family:
    """One metric: how it was first emitted, and the sets of tag values it has."""

    def __init__(self, name: str, keys: tuple[str, ...], metric: Counter | Histogram) -> None:
        self.name = name
        self.metric = metric
        self.known: set[tuple[str, ...]] = set()
        self._keys = keys

    def check(self, name: str, labels: Mapping[str, str]) -> None:
        """Raise `Rejected` unless the emission is spelled and tagged as the first one was."""
        if name != self.name:
            raise Rejected("name", f"it reads like {self.name!r}, which was emitted before it")
        if tuple(labels) != self._keys:
            raise Rejected(
                "tags",
                f"its tags are {_listed(labels)}, those of its first emission were "
                f"{_listed(self._keys)}; give all emissions of a name the same tags",
            )

    def record(self, number: float, values: tuple[str, ...]) -> None:
        """Observe a value, or add it. Raises `Rejected`."""
        metric = self.metric.labels(*values) if values else self.metric
        if isinstance(metric, Histogram):
            metric.observe(number)
        elif number < 0:
            raise Rejected("value", f"a counter ({self.name}) only rises, {number} would lower it")
        else:
            metric.inc(number)


class _Rejections(Collector):
    """How many emissions were rejected, by reason; all reasons are there from the start."""

    def __init__(self, rejected: Callable[[], Mapping[str, int]]) -> None:
        self._rejected = rejected

    def collect(self) -> Iterable[Metric]:
        """Return the counts so far."""
        return (self._family({**dict.fromkeys(_REASONS, 0), **self._rejected()}),)

    def describe(self) -> Iterable[Metric]:
        """Return the name alone: while it is registered, nobody may ask for the counts."""
        return (self._family({}),)

    def _family(self, counts: Mapping[str, int]) -> Metric:
        family = CounterMetricFamily(
            "eventstore_emit_rejected", "Emitted metrics that were not recorded.", labels=["reason"]
        )
        for reason, count in counts.items():
            family.add_metric([reason], count)
        return family


def _metric_name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME_LENGTH:
        raise Rejected("name", f"a name is text of 1 to {_MAX_NAME_LENGTH} characters")
    return PREFIX + _NOT_IN_NAMES.sub("_", name)


def _number(value: object) -> float:
    if isinstance(value, SupportsFloat):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise Rejected("value", f"a value is a finite number, not {value!r:.100}")


def _labels(tags: object) -> dict[str, str]:
    """Return tags as labels, in the order of their names."""
    if tags is None:
        return {}
    if not isinstance(tags, Mapping):
        raise Rejected("tags", f"tags are a mapping of names to values, not {type(tags).__name__}")
    labels: dict[str, str] = {}
    for key, value in tags.items():
        name = _NOT_IN_NAMES.sub("_", str(key))
        # Prometheus keeps these for itself, or does not take them.
        if not name or name[0].isdigit() or name.startswith("__") or name in ("le", "quantile"):
            name = f"tag_{name}"
        if name in labels:
            raise Rejected("tags", f"two of its tags read like {name!r}")
        labels[name] = str(value)[:_MAX_VALUE_LENGTH]
    return dict(sorted(labels.items()))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
