"""What a worker says of its slots to everybody, by way of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventstore.consuming.reports import Report, clear_reports, report, reporters
from eventstore.flow import call
from eventstore.known_secrets import redactor_for

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from eventstore.consuming.access import StoreAccess

MAX_TEXT: Final = 2_000


class Reporter:
    """Leaves a worker's reports in the server whenever they change, without secrets."""

    def __init__(self, access: StoreAccess, worker: str) -> None:
        self._access = access
        self._worker = worker
        self._keys = access.partitions[0]
        self._redactor = redactor_for(access.settings)
        self._told: Sequence[Report] = ()
        self._seen: frozenset[str] = frozenset()

    async def tell(self, reports: Sequence[Report], workers: Collection[str]) -> None:
        """Leave the reports, and clear away those of workers that are not among the live ones."""
        safe = [self._safe(each) for each in reports]
        if safe != list(self._told):
            await self._access.run(call(report(self._keys, self._worker, safe)))
            self._told = safe
        live = frozenset(workers)
        if live != self._seen:
            left = await self._access.run(call(reporters(self._keys)))
            dead = [each for each in left if each not in live]
            if dead:
                await self._access.run(call(clear_reports(self._keys, dead)))
            self._seen = live

    async def withdraw(self) -> None:
        """Take the reports back, as a worker does that leaves."""
        if self._told:
            await self._access.run(call(report(self._keys, self._worker, ())))

    def _safe(self, each: Report) -> Report:
        problem = self._redactor.text(each.problem)[:MAX_TEXT]
        return Report(each.where, problem.encode("utf-8", "backslashreplace").decode(), each.remedy)
