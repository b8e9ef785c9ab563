"""docs/metrics-and-logs.md lists every metric that a worker exports, and every check of health."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support.consuming import COUNTING, publish, until_caught_up
from support.house import ROOT
from support.monitored import monitored, samples
from support.payloads import with_payloads
from support.stores import make_settings
from support.wait import until

from consumers.applying.journal_group import JournalHandler
from consumers.applying.payload_group import PayloadHandler
from eventstore.bus import EventBus
from eventstore.settings_models import MetricsSettings, RetentionSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prometheus_client import Metric
    from support.server import PrivateServer

PAGE = (ROOT / "docs" / "metrics-and-logs.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(eventstore_\w+)` \| (\w+) \| ([^|]*)\| (store|worker) \|", re.MULTILINE)
GROUPS = {**COUNTING, "payloads": PayloadHandler, "journal": JournalHandler}


def described(family: Metric) -> tuple[str, str, frozenset[str]]:
    """Return what the page says of a metric: the name that is scraped, its type, its labels."""
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = {label for sample in family.samples for label in sample.labels}
    return name, family.type, frozenset(labels - {"le"})


def test_the_page_lists_what_is_exported(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> None:
    made = make_settings(private_server("--maxmemory", "200mb"), namespace, lease_seconds=0.5)
    settings = with_payloads(made, tmp_path / "p").model_copy(
        update={
            "metrics": MetricsSettings(port=0),
            "retention": RetentionSettings(keep_events=1_000),
        }
    )
    with EventStore(settings) as store, monitored(settings, tmp_path / "m", GROUPS) as served:
        publish(store, "s", 3)
        until_caught_up(store, "journal")
        until_caught_up(store, "payloads")
        until(lambda: "eventstore_journal_bytes" in served.metrics(), what="a measured journal")
        found = served.metrics()
        [journal] = found["eventstore_journal_bytes"].samples
        [used] = found["eventstore_redis_memory_bytes"].samples
        [limit] = found["eventstore_redis_memory_limit_bytes"].samples
        stored = samples(found["eventstore_payload_stored_bytes"])
        names = {check.name for check in EventBus(store).health().checks}
    # What programs emit themselves is theirs to describe; other tests of this process did.
    own = [each for each in found.values() if not each.name.startswith("eventstore_app_")]
    exported = {described(family) for family in own}
    listed = {
        (name, kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in ROW.findall(PAGE)
    }
    assert exported == listed
    files = list((tmp_path / "p" / "journal").rglob("*.ndjson.gz"))
    assert journal.value == sum(path.stat().st_size for path in files) > 0
    assert 0 < used.value < limit.value == 200 * 2**20
    payloads = list((tmp_path / "p" / "artifacts").rglob("*.json"))
    size = sum(path.stat().st_size for path in payloads)
    assert stored == {("buffer",): 0, ("digest",): 0, ("file",): size}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
