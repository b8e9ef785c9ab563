"""Does a group hold events in the server that the retention rule does not keep?

A group that somebody consumes is on its way. One that nobody consumes never lets go by itself:
the server fills, however much the rule would let go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.consuming.presence import competitors_of, members_of
from eventstore.health_consumers import roll_call
from eventstore.health_findings import Finding
from eventstore.retention import Rule, look_behind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eventstore.flow import Flow
    from eventstore.health_consumers import Ready
    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.retention import Standing
    from eventstore.settings import AppSettings


def look_at_retention(
    log: Log, settings: AppSettings, own: Sequence[str], ready: Ready
) -> Flow[Finding]:
    """Is every group that trimming waits for consumed, and none too far behind?

    Red once a group that nobody consumes holds back more than `Standing.bound`. `own` are the
    store's own groups.
    """
    rule = Rule.of(settings.retention)
    if not rule.active:
        return Finding("ok", "no rule, so all events stay in the server")
    standings = yield from ready(lambda: standings_behind(log.partitions, rule, own))
    held = {group: count for group, count in held_by_groups(standings).items() if count}
    if not held:
        return Finding("ok", "trimming waits for no group")
    far = {
        group
        for standing in standings
        for group, count in standing.holders.items()
        if count > standing.bound
    }
    consumed = yield from _consumed(log, settings, list(held))
    idle = {group: count for group, count in held.items() if group not in consumed}
    if idle:
        return Finding(
            "failed" if far & set(idle) else "warning",
            f"trimming waits for groups that nobody consumes: {_named(idle)}",
            _remedy(idle, own),
        )
    late = {group: count for group, count in held.items() if group in far}
    if late:
        return Finding(
            "warning",
            f"trimming waits for groups that are consumed, and far behind: {_named(late)}",
            "see their logs; another process of the group takes some of the partitions",
        )
    return Finding("ok", f"trimming waits for groups that are consumed: {_named(held)}")


def standings_behind(
    partitions: Sequence[Keys], rule: Rule, groups: Sequence[str]
) -> Flow[list[Standing]]:
    """Return how each partition stands, as `retention.look_behind` does."""
    standings = []
    for keys in partitions:
        standing = yield from look_behind(keys, rule, groups)
        standings.append(standing)
    return standings


def held_by_groups(standings: Iterable[Standing]) -> dict[str, int]:
    """Return how many events each group holds back in all partitions, 0 for those that do not."""
    held: dict[str, int] = {}
    for standing in standings:
        for group in standing.groups:
            held[group] = held.get(group, 0) + standing.held_by(group)
    return held


def _consumed(log: Log, settings: AppSettings, groups: Sequence[str]) -> Flow[set[str]]:
    """Return which of some groups, of whatever kind, a process that lives consumes."""
    first = log.partitions[0]
    workers = (yield from roll_call(log)).live
    members = yield from members_of(first, groups, log.settings.lease_seconds)
    takeover = settings.consuming.takeover_seconds
    competitors = yield from competitors_of(first, groups, takeover)
    served = {group for worker in workers for group in worker.groups}
    return served | {
        group
        for group, count, seated in zip(groups, members, competitors, strict=True)
        if count or seated
    }


def _named(held: Mapping[str, int]) -> str:
    most = sorted(held.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{group} with {count} events" for group, count in most)


def _remedy(idle: Iterable[str], own: Sequence[str]) -> str:
    steps = []
    if any(group in own for group in idle):
        steps.append("start a worker: `eventstore work`")
    if any(group not in own for group in idle):
        steps.append(
            "start the program that consumes it; if it is no more: `eventstore group delete GROUP`"
        )
    return "; ".join(steps)
