"""Is the store well? One answer, a check at a time, each timed and with its remedy.

`health()` is what `/readyz` and `eventstore doctor` print. A check never raises: what it finds is
its answer. It reads no payload, and writes nothing but what opening a store writes. What waits
for the payload store or the journal gives up after `health_payloads.PATIENCE` seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventstore.errors import EventStoreError
from eventstore.health_consumers import (
    look_at_consumers,
    look_at_mirrors,
    look_at_workers,
    reported_checks,
)
from eventstore.health_findings import Check, Health, Status, health_of, timed
from eventstore.health_parked import look_at_parked
from eventstore.health_payloads import look_at_journal, look_at_missing, look_at_payloads
from eventstore.health_retention import look_at_retention
from eventstore.health_server import (
    look_at_durability,
    look_at_eviction,
    look_at_scripts,
    look_at_server,
    look_at_store,
)
from eventstore.health_subscribers import look_at_subscribers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.flow import Flow
    from eventstore.health_consumers import Ready
    from eventstore.log import Log
    from eventstore.payload_store import PayloadStore
    from eventstore.settings import AppSettings

__all__ = ["GROUPS", "Check", "Health", "Status", "check_health"]

GROUPS: Final = ("index", "timeline", "branch", "evaluation", "payloads", "journal")


def check_health(
    log: Log,
    payloads: PayloadStore,
    settings: AppSettings,
    groups: Sequence[str] = GROUPS,
    *,
    ready: Ready | None = None,
    worker: str = "",
) -> Flow[Health]:
    """Look at the server, the partitions, the consumers of `groups`, payload store and journal.

    `ready` runs a flow on the open store, which is opened if need be unless this says otherwise.
    What workers have reported is told too, but for `worker`, which knows better.
    """
    on_store = ready or log.ready
    own = sorted({*GROUPS, *groups})
    server = yield from timed("redis", lambda: look_at_server(log, may_open=ready is None))
    checks = [server]
    looks = {
        "eviction": lambda: look_at_eviction(log),
        "scripts": lambda: look_at_scripts(log),
        "durability": lambda: look_at_durability(log),
        "store": lambda: look_at_store(log, on_store),
        "groups": lambda: look_at_mirrors(log, groups, on_store),
        "consumers": lambda: look_at_consumers(log, groups, on_store),
        "subscribers": lambda: look_at_subscribers(log, on_store),
        "retention": lambda: look_at_retention(log, settings, own, on_store),
        "workers": lambda: look_at_workers(log, on_store),
        "parked": lambda: look_at_parked(log, on_store),
        "missing": lambda: look_at_missing(log, on_store),
    }
    for name, look in looks.items():
        if server.status == "failed":
            detail = f"not looked at: {server.detail}"
            checks.append(Check(name, "failed", 0.0, detail, server.remedy))
        else:
            checks.append((yield from timed(name, look)))
    checks.append((yield from timed("payloads", lambda: look_at_payloads(payloads))))
    checks.append((yield from timed("journal", lambda: look_at_journal(payloads))))
    if all(check.status != "failed" for check in checks if check.name == "store"):
        checks += yield from _reported(log, on_store, worker)
    return health_of(checks)


def _reported(log: Log, ready: Ready, worker: str) -> Flow[list[Check]]:
    try:
        return (yield from reported_checks(log, ready, but=worker))
    except EventStoreError as error:
        return [Check("reports", "failed", 0.0, str(error), "do as the message says")]
