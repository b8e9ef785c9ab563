"""Are the subscribers well, the groups of other programs: at the log's history, and consumed?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eventstore.consuming.presence import members_of
from eventstore.flow import Call, Flow, as_is, batch
from eventstore.health_findings import Finding
from eventstore.views import checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.health_consumers import Ready
    from eventstore.log import Log


class _Standing(NamedTuple):
    """Where a subscriber is: how far behind in all, and how many processes consume it."""

    group: str
    lag: int
    members: int


def look_at_subscribers(log: Log, ready: Ready) -> Flow[Finding]:
    """Is each at most at the head, and somebody consuming those that are behind?

    A program that is not running is its own affair, so that is a warning.
    """
    found = yield from ready(
        lambda: batch([Call("HGETALL", (keys.subscribers,), (), as_is) for keys in log.partitions])
    )
    records = [dict(zip(each[::2], each[1::2], strict=True)) for each in found]
    groups = sorted({name.decode() for each in records for name in each})
    deleting = sorted({n.decode() for each in records for n, record in each.items() if not record})
    if deleting:
        return Finding(
            "warning",
            f"half deleted: {', '.join(deleting)}; nobody can subscribe under these names",
            "complete it: `eventstore group delete GROUP --yes`",
        )
    if not groups:
        return Finding("ok", "no program subscribes")
    standings = yield from _standings(log, groups)
    if isinstance(standings, Finding):
        return standings
    idle = [each for each in standings if each.lag and not each.members]
    if idle:
        named = ", ".join(f"{each.group} by {each.lag}" for each in idle)
        return Finding(
            "warning",
            f"behind, and no process consumes them: {named}; trimming waits for them",
            "start the program; for one that is no more: `eventstore group delete GROUP`",
        )
    named = ", ".join(f"{each.group} by {each.lag}" for each in standings if each.lag)
    said = f"behind, and consumed: {named}" if named else "all at the head"
    return Finding("ok", f"{len(groups)} subscribers, {said}")


def _standings(log: Log, groups: Sequence[str]) -> Flow[list[_Standing] | Finding]:
    slots = [(group, keys) for group in groups for keys in log.partitions]
    # Checkpoints before heads: what is appended and consumed meanwhile puts no group ahead.
    reached = yield from batch([checkpoint(keys, group) for group, keys in slots])
    heads = {head.partition: head.position for head in (yield from log.heads())}
    lags = dict.fromkeys(groups, 0)
    for (group, keys), at in zip(slots, reached, strict=True):
        head = heads[keys.partition]
        if at.position > head:
            return Finding(
                "failed",
                f"{group} was given events up to {at.position} of partition {keys.partition}, "
                f"whose log ends at {head}: events were lost",
                f"restore the log, or mend what was done with them and `eventstore group reset "
                f"{group}`",
            )
        lags[group] += head - at.position
    members = yield from members_of(log.partitions[0], groups, log.settings.lease_seconds)
    return [
        _Standing(group, lags[group], count) for group, count in zip(groups, members, strict=True)
    ]
