"""Do the payload store and the journal answer, and is any payload known to be lost?

What waits for storage is asked in a thread, for a bounded time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventstore.bounded import BoundedCalls
from eventstore.errors import PayloadStoreError
from eventstore.flow import Blocking, Call, batch
from eventstore.health_findings import Finding
from eventstore.payloads import PayloadInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstore.flow import Flow
    from eventstore.health_consumers import Ready
    from eventstore.log import Log
    from eventstore.payload_store import PayloadStore

PATIENCE: Final = 3.0
"""Seconds after which a payload store that has not answered counts as stalled."""
REMEDY: Final = "see that it is reachable and can be written; nothing but payloads waits for it"
JOURNAL_REMEDY: Final = "see that it is reachable and can be written; the log goes on without it"
MISSING_REMEDY: Final = (
    "bring their files back from a backup of the payload store; `eventstore doctor` looks again"
)
_EMPTY: Final = PayloadInfo(form="bin", size=0, sha256="0" * 64)
_calls: Final = BoundedCalls(limit=8)


def look_at_payloads(payloads: PayloadStore) -> Flow[Finding]:
    """Does the payload store answer, and has it answered what this process asked of it?"""
    where = payloads.url
    problem = yield from _ask(where, lambda: payloads.exists_digest(_EMPTY))
    return _finding(payloads, problem, f"{where} answers", REMEDY)


def look_at_journal(payloads: PayloadStore) -> Flow[Finding]:
    """Does the place of the journal answer?"""
    where = payloads.journal_url
    if not payloads.is_apart:
        return Finding("ok", f"beside the payloads, in {where}")
    problem = yield from _ask(where, payloads.reach_journal)
    return _finding(payloads, problem, f"{where} answers", JOURNAL_REMEDY)


def look_at_missing(log: Log, ready: Ready) -> Flow[Finding]:
    """Were payloads lost with a server, so that neither its buffer nor the store has them?

    Their events are there, and nothing waits for them, so this is a warning.
    """
    counts = yield from ready(
        lambda: batch([Call("HLEN", (keys.payload_missing,), (), int) for keys in log.partitions])
    )
    missing = sum(counts)
    if not missing:
        return Finding("ok", "no payload was lost with a server")
    return Finding(
        "warning",
        f"{missing} payloads were lost with a server, before their files were written",
        MISSING_REMEDY,
    )


def stall_of(payloads: PayloadStore) -> str | None:
    """Return what this process has waited for too long, None if for nothing."""
    waiting = payloads.waiting()
    if waiting is None or waiting.seconds < PATIENCE:
        return None
    return f"{waiting.doing} has not come back for {waiting.seconds:.0f} s"


def _finding(payloads: PayloadStore, problem: str | None, well: str, remedy: str) -> Finding:
    found = problem or stall_of(payloads)
    return Finding("ok", well) if found is None else Finding("failed", found, remedy)


def _ask(where: str, ask: Callable[[], object]) -> Flow[str | None]:
    problem: str | None = yield Blocking(problem_of, (where, ask), abandon=True)
    return problem


def problem_of(where: str, ask: Callable[[], object]) -> str | None:
    """Return why a place does not do what is asked, in `PATIENCE` seconds; None if it does."""
    try:
        _calls.run(PATIENCE, ask)
    except PayloadStoreError as error:
        return str(error)
    except TimeoutError as error:
        return f"{where}: {error.strerror}"
    return None
