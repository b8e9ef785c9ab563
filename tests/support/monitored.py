"""A worker in a thread with its HTTP server, and requests to it."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from anyio.from_thread import start_blocking_portal
from prometheus_client.parser import text_string_to_metric_families
from support.consuming import COUNTING, STOP_TIMEOUT
from support.wait import until

from consumers.monitoring.monitor import Monitor
from consumers.working.worker import Worker
from eventstore.health_checks import Check, Health

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prometheus_client import Metric

    from consumers.working.groups import Factory
    from eventstore.settings import AppSettings

REQUEST_TIMEOUT = 60.0


@dataclass(frozen=True)
class Monitored:
    """A running worker and where it answers."""

    worker: Worker
    host: str
    port: int

    def get(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of one request."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=REQUEST_TIMEOUT)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def metrics(self) -> dict[str, Metric]:
        """Return the families of one scrape by name."""
        status, headers, body = self.get("/metrics")
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = list(text_string_to_metric_families(body.decode()))
        found = {family.name: family for family in families}
        assert len(found) == len(families)
        return found

    def readiness(self) -> tuple[int, list[dict[str, str]]]:
        """Return status and findings of /readyz."""
        status, _, body = self.get("/readyz")
        answer: dict[str, Any] = json.loads(body)
        assert answer["ready"] == (status == 200) == (not answer["findings"])
        failed = [check["name"] for check in answer["checks"] if check["status"] == "failed"]
        assert failed == [found["where"] for found in answer["findings"]]
        return status, answer["findings"]

    def health(self) -> Health:
        """Return the checks that /readyz lists, as `health()` does."""
        answer = json.loads(self.get("/readyz")[2])
        return Health(answer["ready"], msgspec.convert(answer["checks"], list[Check]))

    def finding(self, where: str) -> dict[str, str] | None:
        """Return the finding of /readyz on something, None if there is none."""
        return next((found for found in self.readiness()[1] if found["where"] == where), None)

    def until_found(self, where: str) -> dict[str, str]:
        """Wait until /readyz is red for something, and return that finding."""
        return until(lambda: self.finding(where), what=f"a finding on {where}")


def samples(family: Metric) -> dict[tuple[str, ...], float]:
    """Return a family's values by their labels' values."""
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


@contextmanager
def monitored(
    settings: AppSettings, address_file: Path, groups: Mapping[str, Factory] = COUNTING
) -> Iterator[Monitored]:
    """Run a worker and its HTTP server in a thread."""
    with start_blocking_portal("asyncio") as portal:
        worker = portal.call(Worker, settings, groups)
        monitor = portal.start_task_soon(Monitor(worker).run, address_file)
        done = portal.start_task_soon(worker.run)
        try:
            until(address_file.exists, what="an address")
            url = urlsplit(address_file.read_text().strip())
            assert url.hostname is not None
            assert url.port is not None
            yield Monitored(worker, url.hostname, url.port)
        finally:
            monitor.cancel()
            portal.call(worker.stop)
            done.result(STOP_TIMEOUT)
