"""The health of the store as a worker sees it: looked at every second, told at once."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

import anyio

from consumers.guard import contained
from consumers.monitoring.health import StallWatch, findings
from consumers.monitoring.sampling import sample_lags
from consumers.monitoring.tails import TailWatch
from eventstore.consuming.reports import Report
from eventstore.errors import EventStoreError, StoreUnreachable
from eventstore.flow import batch
from eventstore.health_checks import Check, Health, check_health
from eventstore.health_findings import health_of
from eventstore.health_payloads import stall_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.working.worker import Worker
    from eventstore.flow import Flow

LOOK_SECONDS: Final = 1.0
LATE_SECONDS: Final = 4.0
"""Seconds after which a look that has not come back is itself a finding."""
_log = logging.getLogger(__name__)


class HealthWatch:
    """Looks at the store for as long as `run` runs; `health` answers from the last look.

    What the worker knows of itself is as of the moment of asking. Before the first look there is
    a finding that says so.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._access = worker.access
        self._groups = sorted({slot.group for slot in worker.slots})
        self._stalls = StallWatch()
        self._tails = TailWatch()
        self._last: Health | None = None
        self._looked = time.monotonic()

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await contained(self.look, "a look at the health of the store failed")
            await anyio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once."""
        try:
            # Opened by the one path by which all of this worker opens it.
            await self._access.run(batch([]))
            await self._tails.look(self._access)
            lags = await sample_lags(self._access, self._groups)
        except EventStoreError as error:
            _log.debug("no look at the log: %s", error)
        else:
            self._stalls.look(lags, time.monotonic())
        self._last = await self._access.look(
            check_health(
                self._access.log,
                self._access.payloads,
                self._access.settings,
                self._groups,
                ready=self._as_opened,
                worker=self._worker.name,
            )
        )
        self._looked = time.monotonic()

    def health(self) -> Health:
        """Return the last look's checks, and what this worker knows of itself."""
        now = time.monotonic()
        own = [_failed(each) for each in self._own_findings(now)]
        found = {check.name for check in own}
        last = self._last.checks if self._last is not None else []
        return health_of([*own, *(each for each in last if each.name not in found)])

    def _own_findings(self, now: float) -> list[Report]:
        found = findings(
            self._worker.statuses,
            self._access.failure,
            self._stalls,
            now,
            stall_of(self._access.payloads),
        )
        for lost in self._tails.lost.values():
            remedy = "restore the log from the journal, and restart this worker once that is done"
            found.append(Report("log", lost, remedy))
        if self._last is None:
            found.append(Report("worker", "it has not looked at the store yet", "wait"))
        elif now - self._looked > LATE_SECONDS:
            problem = f"the store has not answered for {now - self._looked:.1f} s"
            found.append(Report("look", problem, "see whether the server is frozen or overloaded"))
        return found

    def _as_opened(self, flow: Callable[[], Flow[Any]]) -> Flow[Any]:
        if self._access.log.opened is None:
            raise StoreUnreachable(f"the store is not open: {self._access.failure or 'not yet'}")
        return (yield from flow())


def _failed(report: Report) -> Check:
    return Check(report.where, "failed", 0.0, report.problem, report.remedy)
