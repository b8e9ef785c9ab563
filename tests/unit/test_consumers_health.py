"""Readiness: what counts as a finding, and for how long nothing may move."""

from __future__ import annotations

import pytest

from consumers.monitoring.health import (
    STALL_SECONDS,
    SlotStatus,
    StallWatch,
    Verdict,
    findings,
    judge,
)
from consumers.monitoring.sampling import Lag
from eventstore.consuming.membership import Slot
from eventstore.errors import (
    CommandFailed,
    Diverged,
    EventStoreError,
    PayloadMissing,
    PayloadStoreError,
    Sealed,
    StoreFull,
    StoreUnreachable,
    UndecodableEvent,
    WriteRefused,
    WrongStore,
)

SLOT = Slot("index", 0)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (StoreUnreachable("x"), Verdict.RETRY),
        (Sealed("x"), Verdict.RETRY),
        (StoreFull("x"), Verdict.RETRY),
        (PayloadStoreError("x"), Verdict.PAYLOADS),
        (UndecodableEvent("x"), Verdict.PAUSE),
        (PayloadMissing("x"), Verdict.DEFECT),
        (Diverged("x"), Verdict.PAUSE),
        (CommandFailed("x"), Verdict.PAUSE),
        (WriteRefused("x"), Verdict.DEFECT),
        (ZeroDivisionError("x"), Verdict.DEFECT),
    ],
)
def test_faults_are_told_apart(error: Exception, verdict: Verdict) -> None:
    assert judge(error) is verdict
    status = SlotStatus(SLOT)
    assert status.fail(error) is verdict
    [found] = findings([status], None, StallWatch(), 0.0)
    assert (found.where, found.remedy) == ("index/0", verdict.value)
    assert type(error).__name__ in found.problem


def test_a_slot_that_gets_on_has_no_findings_and_keeps_its_count() -> None:
    status = SlotStatus(SLOT)
    status.fail(ZeroDivisionError("x"))
    status.fail(ZeroDivisionError("x"))
    assert (status.failures, status.total_failures) == (2, 2)
    status.advance(7)
    assert (status.failures, status.total_failures, status.position) == (0, 2, 7)
    assert findings([status], None, StallWatch(), 0.0) == []


@pytest.mark.parametrize("failure", [StoreUnreachable("gone"), WrongStore("other"), Sealed("s")])
def test_a_store_that_cannot_be_opened_is_the_first_finding(failure: EventStoreError) -> None:
    status = SlotStatus(SLOT)
    status.fail(failure)
    found = findings([status], failure, StallWatch(), 0.0)
    assert [finding.where for finding in found] == ["store", "index/0"]
    assert all(finding.remedy and "\n" not in finding.remedy for finding in found)


def test_a_slot_that_stands_still_with_events_to_consume_is_a_finding() -> None:
    watch = StallWatch()
    statuses = [SlotStatus(SLOT)]
    for now in (0.0, 20.0, STALL_SECONDS):
        watch.look({SLOT: Lag(5, 3)}, now)
        assert findings(statuses, None, watch, now) == []
    late = STALL_SECONDS + 1
    [found] = findings(statuses, None, watch, late)
    assert found.where == "index/0"
    assert "31 s" in found.problem
    assert "eventstore work" in found.remedy
    watch.look({SLOT: Lag(6, 2)}, late)
    assert findings(statuses, None, watch, late) == []


def test_a_slot_with_nothing_to_consume_never_stands_still() -> None:
    watch = StallWatch()
    watch.look({SLOT: Lag(5, 0)}, 0.0)
    watch.look({SLOT: Lag(5, 0)}, 1000.0)
    watch.look({SLOT: Lag(5, 1)}, 1010.0)
    assert findings([SlotStatus(SLOT)], None, watch, 1020.0) == []
