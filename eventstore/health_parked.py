"""Is anything parked that somebody should look at?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.health_findings import Finding
from eventstore.parking.reading import count_parked

if TYPE_CHECKING:
    from eventstore.flow import Flow
    from eventstore.health_consumers import Ready
    from eventstore.log import Log


def look_at_parked(log: Log, ready: Ready) -> Flow[Finding]:
    """Has any group given events up? The groups go on, so this is a warning."""
    counts = yield from ready(lambda: count_parked(log.partitions))
    parked: dict[str, int] = {}
    for count in counts:
        if count.parked:
            parked[count.group] = parked.get(count.group, 0) + count.parked
    if not parked:
        return Finding("ok", "no group has parked an event")
    named = ", ".join(f"{group} {number}" for group, number in sorted(parked.items()))
    return Finding(
        "warning",
        f"parked events: {named}",
        "`eventstore parked list GROUP` says why; mend it, then `eventstore parked replay GROUP`, "
        "or `eventstore projection rebuild` for a read model",
    )
