"""Metrics: labels are bounded, and a counter never falls."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from consumers.monitoring.metrics import (
    MAX_TYPES,
    OTHER,
    TypeLabels,
    health_families,
    render,
    store_families,
)
from consumers.monitoring.sampling import Lag, StoreSample
from eventstore.consuming.membership import Slot
from eventstore.health_findings import Check, health_of
from eventstore.instruments import Histogram


def test_the_hundred_largest_types_have_labels_of_their_own() -> None:
    counts = {f"t{n}": n for n in range(1, 151)}
    folded = TypeLabels().fold(counts)
    assert len(folded) == MAX_TYPES + 1
    assert folded["t51"] == 51
    assert folded[OTHER] == sum(range(1, 51))


def test_a_label_is_kept_so_that_no_counter_falls() -> None:
    labels = TypeLabels()
    first = labels.fold({f"t{n}": 10 for n in range(MAX_TYPES + 5)})
    second = labels.fold({f"t{n}": 10 if n < 50 else 1000 for n in range(MAX_TYPES + 50)})
    assert set(second) == set(first)
    assert all(second[label] >= count for label, count in first.items())


def test_a_type_that_is_called_other_is_summed_with_the_rest() -> None:
    counts = {"other": 7, **{f"t{n}": 5 for n in range(MAX_TYPES)}}
    folded = TypeLabels().fold(counts)
    assert sum(folded.values()) == sum(counts.values())
    assert folded[OTHER] == 12


def test_names_of_types_are_escaped_and_an_unknown_size_is_left_out() -> None:
    name = 'a "quoted"\\ type\nwith lines'
    sample = StoreSample({name: 3}, {}, {}, 0, None, 0, {})
    families = {
        family.name: family
        for family in text_string_to_metric_families(
            render(store_families(sample, TypeLabels())).decode()
        )
    }
    [counted] = families["eventstore_events_appended"].samples
    assert (counted.labels, counted.value) == ({"type": name}, 3)
    assert "eventstore_stream_bytes" not in families


def test_a_histogram_counts_up_to_and_with_each_bound() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.observe(value)
    found = histogram.read()
    assert (found.at_most, found.count, found.sum) == ((2, 4), 5, 14.0)


def test_an_age_that_is_not_known_is_left_out_and_not_zero() -> None:
    lags = {
        Slot("a", 0): Lag(5, 0, 0.0),
        Slot("a", 1): Lag(5, 2, 1.5),
        Slot("b", 0): Lag(5, 2, 9.0),
        Slot("b", 1): Lag(1, 2, None),
    }
    sample = StoreSample({}, lags, {}, 0, None, 0, {})
    families = {family.name: family for family in store_families(sample, TypeLabels())}
    ages = families["eventstore_projection_lag_seconds"].samples
    assert {each.labels["group"]: each.value for each in ages} == {"a": 1.5}
    events = families["eventstore_projection_lag_events"].samples
    assert {each.labels["group"]: each.value for each in events} == {"a": 2, "b": 4}
    assert "eventstore_redis_memory_bytes" not in families


def test_of_the_slots_of_a_group_the_worst_is_shown() -> None:
    health = health_of(
        [
            Check("eviction", "ok", 0.1, "noeviction"),
            Check("index/0", "failed", 0.0, "stands still"),
            Check("index/1", "warning", 0.0, "slow"),
            Check("disk", "warning", 0.2, "little is free"),
        ]
    )
    [family] = health_families(health)
    shown = {each.labels["check"]: each.value for each in family.samples}
    assert shown == {"eviction": 0, "index": 2, "disk": 1}
