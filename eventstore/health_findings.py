"""What checks of health find: each finding with its status, how long it took, and what to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import msgspec

from eventstore.errors import EventStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstore.flow import Flow

Status = Literal["ok", "warning", "failed"]


class Check(msgspec.Struct, frozen=True):
    """One finding: how long it took to see, what was seen, what to do about it ("" = nothing)."""

    name: str
    status: Status
    latency_ms: float
    detail: str
    remedy: str = ""


class Health(msgspec.Struct, frozen=True):
    """All findings; `ok` if none failed."""

    ok: bool
    checks: list[Check]


class Finding(msgspec.Struct, frozen=True):
    """What a check saw, and what to do about it, in one line."""

    status: Status
    detail: str
    remedy: str = ""


def health_of(checks: list[Check]) -> Health:
    """Return checks as one answer."""
    return Health(ok=all(check.status != "failed" for check in checks), checks=checks)


def timed(name: str, look: Callable[[], Flow[Finding]]) -> Flow[Check]:
    """Make a check; an error of this project is what it found."""
    started = time.perf_counter()
    try:
        found = yield from look()
    except EventStoreError as error:
        # Each message of this project's errors ends with what to do.
        found = Finding("failed", f"{type(error).__name__}: {error}", "do as the message says")
    latency = (time.perf_counter() - started) * 1000
    return Check(name, found.status, round(latency, 3), found.detail, found.remedy)
