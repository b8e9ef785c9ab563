"""config/prometheus.yml, its alerts and the Grafana board name what a worker really exports."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.consuming import publish, until_caught_up
from support.house import ROOT
from support.monitored import monitored
from support.payloads import with_payloads
from support.promql import FUNCTIONS, named
from support.stores import make_settings
from support.wait import until

from consumers.working.groups import known_groups
from eventstore.settings_models import MetricsSettings, RetentionSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.server import PrivateServer

CONFIG = ROOT / "config"
PROMETHEUS: dict[str, Any] = yaml.safe_load((CONFIG / "prometheus.yml").read_text())
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((CONFIG / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
BOARD: dict[str, Any] = json.loads((CONFIG / "grafana" / "eventstore.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
# What Prometheus itself adds to everything that it scrapes.
OF_PROMETHEUS = {"up": {"job", "instance"}}
OF_TARGETS = {"job", "instance"}
DURATION = re.compile(r"\d+[smhd]")


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_every_expression_names_what_is_exported(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> None:
    made = make_settings(private_server("--maxmemory", "200mb"), namespace, lease_seconds=0.5)
    settings = with_payloads(made, tmp_path / "p").model_copy(
        update={
            "metrics": MetricsSettings(port=0),
            "retention": RetentionSettings(keep_events=1),
        }
    )
    with (
        EventStore(settings) as store,
        monitored(settings, tmp_path / "m", known_groups()) as served,
    ):
        publish(store, "s", 3)
        until_caught_up(store, "journal")
        until(lambda: "eventstore_journal_bytes" in served.metrics(), what="a measured journal")
        labels: dict[str, set[str]] = dict(OF_PROMETHEUS)
        # What programs emit themselves is theirs to show; other tests of this process did.
        scraped = served.metrics().values()
        for family in (each for each in scraped if "_app_" not in each.name):
            names = {f"{family.name}_total"} if family.type == "counter" else {family.name}
            for sample in family.samples:
                names.add(sample.name)
                labels.setdefault(sample.name, set()).update(sample.labels, OF_TARGETS)
            for name in names:
                labels.setdefault(name, set(OF_TARGETS))
    # Nothing was rejected in this process, so its reasons do not show.
    labels["eventstore_emit_rejected_total"].add("reason")
    for where, expression in expressions():
        found = named(expression)
        assert found.metrics <= set(labels), where
        assert found.functions <= FUNCTIONS, where
        for label in found.labels:
            assert any(label in labels[metric] for metric in found.metrics), f"{where}: {label}"
    # An up to date board shows everything.
    shown = {metric for _, expression in expressions() for metric in named(expression).metrics}
    families = {re.sub(r"_(total|bucket|count|sum|created)$", "", name) for name in labels}
    assert families == {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in shown}


def test_prometheus_scrapes_the_port_of_a_worker_and_reads_the_alerts() -> None:
    assert [(CONFIG / name).is_file() for name in PROMETHEUS["rule_files"]] == [True]
    [job] = PROMETHEUS["scrape_configs"]
    assert job["job_name"] == "eventstore"
    [targets] = [config["targets"] for config in job["static_configs"]]
    assert f"127.0.0.1:{MetricsSettings().port}" in targets
    jobs = set(re.findall(r'job="([^"]*)"', " ".join(text for _, text in expressions())))
    assert jobs == {job["job_name"]}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Eventstore[A-Z]\w+", rule["alert"])
    assert DURATION.fullmatch(rule["for"])
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "remedy"}
    for text in rule["annotations"].values():
        assert text.strip().endswith(".")
    used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
    assert used <= named(rule["expr"]).labels | OF_TARGETS


def test_alerts_are_told_apart() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)


def test_the_board_is_whole() -> None:
    assert BOARD["uid"] == BOARD["title"] == "eventstore"
    assert [each["name"] for each in BOARD["templating"]["list"]] == ["datasource"]
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in BOARD["panels"]]
    assert len(set(titles)) == len(titles)
    for panel in PANELS:
        assert panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        shown = {label for target in panel["targets"] for label in _legend(target)}
        assert shown <= {label for t in panel["targets"] for label in named(t["expr"]).labels}


def _legend(target: dict[str, Any]) -> list[str]:
    return re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])


def test_no_panel_lies_on_another() -> None:
    for one, other in combinations((panel["gridPos"] for panel in BOARD["panels"]), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
        assert one["x"] + one["w"] <= 24
