"""What a worker shows of itself over HTTP: /metrics, /healthz and /readyz."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from consumers.monitoring.http import Response, address_of, document, listen, serve, text
from consumers.monitoring.measuring import JournalMeasure
from consumers.monitoring.metrics import (
    CONTENT_TYPE,
    TypeLabels,
    health_families,
    journal_families,
    render,
    store_families,
    worker_families,
)
from consumers.monitoring.sampling import sample_store
from consumers.monitoring.watching import HealthWatch
from eventstore.emitting import metrics as emitted
from eventstore.errors import EventStoreError

if TYPE_CHECKING:
    from pathlib import Path

    from prometheus_client.core import Metric

    from consumers.working.worker import Worker

_ANNOUNCE_SECONDS: Final = 0.5
_log = logging.getLogger(__name__)


class Monitor:
    """Serves a worker's metrics and health.

    `/metrics` answers 200 also while the store is away, with what the worker itself knows.
    `/healthz` answers 200 while the process turns. `/readyz` answers what `health()` does, as
    this worker sees it, and 503 with findings, each with what to do, while anything of it failed.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._groups = sorted({slot.group for slot in worker.slots})
        self._types = TypeLabels()
        self._watch = HealthWatch(worker)
        self._journal = JournalMeasure(worker)

    async def run(self, address_file: Path | None) -> None:
        """Serve until cancelled; the address is in `address_file` meanwhile.

        A host that cannot be listened on is an error in the log; the worker goes on without.
        """
        settings = self._worker.access.settings.metrics
        try:
            listener = await listen(settings.host, settings.port)
        except OSError as error:
            _log.error("metrics.host %s: %s; nothing serves /metrics", settings.host, error)
            return
        url = f"http://{address_of(listener)}/metrics"
        _log.info("serving %s", url)
        routes = {"/metrics": self._metrics, "/healthz": self._healthz, "/readyz": self._readyz}
        try:
            async with listener, anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch.run)
                tasks.start_soon(self._journal.run)
                if address_file is not None:
                    tasks.start_soon(self._announce, address_file, url)
                await serve(listener, routes)
        finally:
            _withdraw(address_file, url)

    async def _announce(self, address_file: Path, url: str) -> None:
        while True:
            # Opening the store makes the data directory if need be.
            if address_file.parent.is_dir() and _publish(address_file, url):
                return
            await anyio.sleep(_ANNOUNCE_SECONDS)

    async def _metrics(self) -> Response:
        access = self._worker.access
        families: list[Metric] = []
        try:
            sample = await sample_store(access, self._groups)
        except EventStoreError as error:
            _log.debug("a scrape without the store: %s", error)
        else:
            families += store_families(sample, self._types)
        families += worker_families(
            self._worker.statuses,
            access.connections(),
            access.max_connections,
            store_up=bool(families),
        )
        families += health_families(self._watch.health())
        families += journal_families(self._journal.bytes)
        families += emitted.prometheus().collect()
        return Response(200, CONTENT_TYPE, render(families))

    async def _healthz(self) -> Response:
        return text(200, "ok")

    async def _readyz(self) -> Response:
        health = self._watch.health()
        failed = [check for check in health.checks if check.status == "failed"]
        answer = {
            "ready": health.ok,
            "findings": [
                {"where": check.name, "problem": check.detail, "remedy": check.remedy}
                for check in failed
            ],
            "checks": [msgspec.to_builtins(check) for check in health.checks],
        }
        return document(200 if health.ok else 503, answer)


def _publish(address_file: Path, url: str) -> bool:
    """Leave the address for the commands of this data directory, whole or not at all."""
    draft = address_file.with_name(f"{address_file.name}.new")
    try:
        draft.write_text(f"{url}\n")
        draft.replace(address_file)
    except OSError as error:
        _log.warning("cannot write %s: %s", address_file, error.strerror)
        return False
    return True


def _withdraw(address_file: Path | None, url: str) -> None:
    """Remove the address unless another worker has put its own there."""
    if address_file is None:
        return
    try:
        if address_file.read_text() == f"{url}\n":
            address_file.unlink()
    except OSError as error:
        _log.debug("cannot remove %s: %s", address_file, error.strerror)
