"""How a worker is: what each slot does, and what of it a person must look at."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from eventstore.consuming.reports import Report
from eventstore.errors import EventStoreError, PayloadStoreError, Sealed, Unavailable
from eventstore.parking.blame import is_events_own

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from consumers.monitoring.sampling import Lag
    from eventstore.consuming.membership import Slot

STALL_SECONDS: Final = 30.0


class Verdict(enum.Enum):
    """What a fault means for a slot, and what to do about it."""

    RETRY = "the store is away; see that the server runs: `eventstore doctor`"
    PAYLOADS = "see that the payload store (payloads.url) can be written; nothing else waits for it"
    PAUSE = "the group waits; upgrade eventstore or repair what the error names, then restart"
    DEFECT = "tried again, then parked if that helps nothing; the worker's log has the traceback"


def judge(error: Exception) -> Verdict:
    """Return what an error of a slot's work means."""
    if isinstance(error, PayloadStoreError):
        return Verdict.PAYLOADS
    if isinstance(error, Unavailable):
        return Verdict.RETRY
    waits = isinstance(error, EventStoreError) and not is_events_own(error)
    return Verdict.PAUSE if waits else Verdict.DEFECT


@dataclass(slots=True)
class SlotStatus:
    """One slot as this worker sees it; `progressed` is on the monotonic clock.

    `error` and `verdict` are of the last fault since the slot last got on, None if there was
    none; `failures` counts those, `total_failures` all of them.
    """

    slot: Slot
    owned: bool = False
    position: int = 0
    progressed: float = field(default_factory=time.monotonic)
    error: str | None = None
    verdict: Verdict | None = None
    failures: int = 0
    total_failures: int = 0

    def advance(self, position: int) -> None:
        """Note that the slot's checkpoint is at a position, and that nothing is wrong."""
        self.position = position
        self.progressed = time.monotonic()
        self.error = self.verdict = None
        self.failures = 0

    def fail(self, error: Exception) -> Verdict:
        """Note a fault and return what it means."""
        self.error = f"{type(error).__name__}: {error}"
        self.verdict = judge(error)
        self.failures += 1
        self.total_failures += 1
        return self.verdict


class StallWatch:
    """Since when each slot of the store has events to consume and has not moved."""

    def __init__(self) -> None:
        self._still: dict[Slot, tuple[int, float]] = {}

    def look(self, lags: Mapping[Slot, Lag], now: float) -> None:
        """Take note of every slot's position and lag at a moment of the monotonic clock."""
        for slot, lag in lags.items():
            position, _ = self._still.get(slot, (-1, now))
            if lag.events == 0 or lag.position != position:
                self._still[slot] = (lag.position, now)

    def still_for(self, slot: Slot, now: float) -> float:
        """Return for how many seconds a slot has stood still with events to consume."""
        return now - self._still.get(slot, (0, now))[1]


def faults_of(statuses: Iterable[SlotStatus], stall: str | None) -> list[Report]:
    """Return what keeps a worker's own slots from getting on.

    `stall` is what it waits for in the payload store, if that takes too long.
    """
    found = [
        Report(str(status.slot), status.error, status.verdict.value)
        for status in statuses
        if status.error is not None and status.verdict is not None
    ]
    if stall is not None:
        found.append(Report("payload store", stall, Verdict.PAYLOADS.value))
    return found


def findings(
    statuses: Sequence[SlotStatus],
    failure: EventStoreError | None,
    stalls: StallWatch,
    now: float,
    stall: str | None = None,
) -> list[Report]:
    """Return what is wrong with a worker, worst first; nothing if it is ready.

    `failure` is why the store cannot be opened. A slot that this worker does not own counts
    too: whoever should consume it does not.
    """
    found = []
    if failure is not None:
        remedy = Verdict.PAUSE if isinstance(failure, Sealed) else judge(failure)
        found.append(Report("store", f"{type(failure).__name__}: {failure}", remedy.value))
    found += faults_of(statuses, stall)
    failing = {report.where for report in found}
    for slot in (status.slot for status in statuses):
        seconds = stalls.still_for(slot, now)
        if seconds > STALL_SECONDS and str(slot) not in failing:
            problem = f"has events to consume and has not moved for {seconds:.0f} s"
            remedy_line = "start a worker for it: `eventstore work`; `eventstore doctor` shows more"
            found.append(Report(str(slot), problem, remedy_line))
    return found
