"""What a program emits: recorded, or counted as rejected and said once; never an error."""

from __future__ import annotations

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import Counter, generate_latest
from support.emitted import Shown

from eventstore import metrics as default_metrics
from eventstore.emitting import Metrics
from eventstore.emitting_prometheus import (
    BOUNDS,
    MAX_NAMES,
    MAX_SETS,
    MAX_SETS_OF_A_NAME,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_a_measurement_is_in_a_histogram(shown: Shown) -> None:
    shown.emit("tool_latency", 250, tags={"tool": "weather"})
    shown.emit("tool_latency", 750.5, tags={"tool": "weather"})
    shown.emit("tool_latency", 3, tags={"tool": "clock"})
    weather, clock = (("tool", "weather"),), (("tool", "clock"),)
    assert shown.samples("eventstore_app_tool_latency_count") == {weather: 2, clock: 1}
    assert shown.samples("eventstore_app_tool_latency_sum") == {weather: 1000.5, clock: 3}
    buckets = shown.samples("eventstore_app_tool_latency_bucket")
    assert buckets[("le", "250.0"), ("tool", "weather")] == 1
    assert buckets[("le", "1000.0"), ("tool", "weather")] == 2
    assert shown.rejected() == {}


def test_a_total_is_a_counter(shown: Shown) -> None:
    for _ in range(3):
        shown.emit("retries_total", 2)
    assert shown.samples("eventstore_app_retries_total") == {(): 6}
    shown.emit("retries_total", -1)
    assert shown.samples("eventstore_app_retries_total") == {(): 6}
    assert shown.rejected() == {"value": 1}


def test_bounds_rise_by_about_as_much_each() -> None:
    ratios = {round(above / below, 2) for below, above in itertools.pairwise(BOUNDS)}
    assert ratios == {2.0, 2.5}
    assert (BOUNDS[0], BOUNDS[-1]) == (0.0001, 1_000_000)


@pytest.mark.parametrize("value", [0, -1.5, True, Decimal("2.5")])
def test_a_number_is_recorded(shown: Shown, value: Any) -> None:
    shown.emit("n", value)
    assert shown.samples("eventstore_app_n_sum") == {(): float(value)}


@pytest.mark.parametrize(
    "value", [None, "5", b"5", [5], float("nan"), float("inf"), 10**400, object(), 1j]
)
def test_what_is_no_finite_number_is_rejected(shown: Shown, value: Any) -> None:
    shown.emit("n", 1)
    shown.emit("n", value)
    assert shown.samples("eventstore_app_n_count") == {(): 1}
    assert shown.rejected() == {"value": 1}


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("tool.latency", "eventstore_app_tool_latency"),
        ("2xx", "eventstore_app_2xx"),
        ("größe in mm", "eventstore_app_gr__e_in_mm"),
        ("eventstore_up", "eventstore_app_eventstore_up"),
        ("a\nb", "eventstore_app_a_b"),
    ],
)
def test_names_are_made_fit_for_prometheus(shown: Shown, name: str, series: str) -> None:
    shown.emit(name, 1)
    assert shown.samples(f"{series}_count") == {(): 1}


@pytest.mark.parametrize("name", [None, 5, "", "x" * 201, b"x"])
def test_what_is_no_name_is_rejected(shown: Shown, name: Any) -> None:
    shown.emit(name, 1)
    assert shown.rejected() == {"name": 1}


def test_two_names_never_share_a_series(shown: Shown) -> None:
    shown.emit("a.b", 1)
    shown.emit("a_b", 1)
    shown.emit("a.b_count", 1)
    shown.emit("a.b_total", 1)
    Counter("eventstore_app_theirs", "Of the program itself.", registry=shown.registry)
    shown.emit("theirs", 1)
    assert shown.samples("eventstore_app_a_b_count") == {(): 1}
    assert shown.rejected() == {"name": 4}


@pytest.mark.parametrize(
    "tags", [None, {}, {"tool": "x"}, {"tool": "x", "host": "y", "more": "z"}, {"host": "y"}]
)
def test_the_first_emission_fixes_the_keys_of_the_tags(
    shown: Shown, tags: Mapping[str, str] | None, caplog: pytest.LogCaptureFixture
) -> None:
    shown.emit("n", 1, tags={"tool": "x", "host": "y"})
    shown.emit("n", 1, tags={"host": "y", "tool": "x"})
    for _ in range(3):
        shown.emit("n", 1, tags=tags)
    assert sum(shown.samples("eventstore_app_n_count").values()) == 2
    assert shown.rejected() == {"tags": 3}
    assert len(caplog.messages) == 1
    assert "those of its first emission were host, tool" in caplog.text


@pytest.mark.parametrize("tags", ["tool", ["tool"], 5, {"a.b": 1, "a_b": 2}])
def test_tags_that_cannot_be_labels_are_rejected(shown: Shown, tags: Any) -> None:
    shown.emit("n", 1, tags=tags)
    assert shown.rejected() == {"tags": 1}


def test_tags_are_made_fit_for_prometheus(shown: Shown) -> None:
    tags: dict[Any, Any] = {"le": 1, "1st": None, "__name__": "é\n", "a b": 2.5, 5: True, "": ""}
    shown.emit("n", 1, tags=tags)
    [labels] = shown.samples("eventstore_app_n_count")
    assert dict(labels) == {
        "tag_le": "1",
        "tag_1st": "None",
        "tag___name__": "é\n",
        "a_b": "2.5",
        "tag_5": "True",
        "tag_": "",
    }


def test_a_name_has_so_many_sets_of_tag_values_and_the_rest_is_other(shown: Shown) -> None:
    for number in range(MAX_SETS_OF_A_NAME + 50):
        shown.emit("calls_total", 1, tags={"user": str(number)})
    shown.emit("calls_total", 1, tags={"user": "0"})
    counts = shown.samples("eventstore_app_calls_total")
    assert len(counts) == MAX_SETS_OF_A_NAME + 1
    assert counts[(("user", "other"),)] == 50
    assert counts[(("user", "0"),)] == 2


def test_a_process_has_so_many_names_and_sets(shown: Shown) -> None:
    for name in range(MAX_NAMES + 3):
        for user in range(MAX_SETS // 100):
            shown.emit(f"n{name}_total", 1, tags={"user": str(user)})
    text = generate_latest(shown.registry).decode()
    series = [line for line in text.splitlines() if line.startswith("eventstore_app_n")]
    counts = [line for line in series if "_total{" in line]
    assert sum('user="other"' not in line for line in counts) == MAX_SETS
    assert sum('user="other"' in line for line in counts) == MAX_NAMES - 100
    assert shown.rejected() == {"name": 3 * (MAX_SETS // 100)}


def test_threads_lose_no_emission(shown: Shown) -> None:
    def emit(number: int) -> None:
        shown.emit("calls_total", 1, tags={"thread": str(number % 7)})
        shown.emit(f"n{number % 50}", 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(emit, range(2000)))
    assert sum(shown.samples("eventstore_app_calls_total").values()) == 2000
    counts = [shown.samples(f"eventstore_app_n{number}_count")[()] for number in range(50)]
    assert counts == [40] * 50


def test_by_default_prometheus_has_it_and_only_then_is_its_client_loaded() -> None:
    program = """
import sys
from eventstore import metrics
assert "prometheus_client" not in sys.modules
metrics.emit("tool_latency", 250, tags={"tool": "weather"})
from prometheus_client import generate_latest
print(generate_latest().decode())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 'eventstore_app_tool_latency_sum{tool="weather"} 250.0\n' in done.stdout
    assert 'eventstore_emit_rejected_total{reason="tags"} 0.0\n' in done.stdout


def test_the_process_has_one() -> None:
    assert isinstance(default_metrics, Metrics)
    assert default_metrics._backend is None
