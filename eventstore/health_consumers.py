"""Are the consumers well: do they live, get on, and show where they are?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from eventstore import commands
from eventstore.consuming.membership import Member, decode_members
from eventstore.consuming.reports import all_reports
from eventstore.flow import Call, Flow, batch, call
from eventstore.health_findings import Check, Finding
from eventstore.views import Checkpoint, checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.keys import Keys
    from eventstore.log import Log

Ready: TypeAlias = Callable[[Callable[[], Flow[Any]]], Flow[Any]]
"""Runs a flow on an open store, as `Log.ready` does."""
SILENT_LEASES: Final = 1.25
"""Lease times without a heartbeat after which a worker counts as stopped."""


class Roll(NamedTuple):
    """The workers on the list: those that live, and, with seconds, those that went silent."""

    live: list[Member]
    silent: list[tuple[Member, float]]


class _Place(NamedTuple):
    """Where a group is in a partition: its checkpoint, and the head of the log after that."""

    group: str
    keys: Keys
    at: Checkpoint
    head: int


def look_at_mirrors(log: Log, groups: Sequence[str], ready: Ready) -> Flow[Finding]:
    """Does XINFO GROUPS show every group that has consumed something?"""
    places = yield from _places(log, groups, ready)
    begun = [each for each in places if each.at.position > 0]
    streams = list({each.keys.partition: each.keys for each in begun}.values())
    names = yield from batch([_group_names(keys) for keys in streams])
    shown = {(keys.partition, n) for keys, found in zip(streams, names, strict=True) for n in found}
    slots = [(each.keys.partition, each.group) for each in begun]
    lost = [f"{group}/{partition}" for partition, group in slots if (partition, group) not in shown]
    if not lost:
        return Finding("ok", "every group is shown by XINFO GROUPS")
    return Finding(
        "failed",
        f"somebody destroyed the consumer groups of {', '.join(lost)}",
        "nothing is lost: the next batch of each makes it again, where its checkpoint is; find "
        "out who destroyed them",
    )


def look_at_consumers(log: Log, groups: Sequence[str], ready: Ready) -> Flow[Finding]:
    """Is every group at the head, or on its way?"""
    places = yield from _places(log, groups, ready)
    for each in places:
        if each.at.position > each.head:
            detail = (
                f"{each.group} has consumed up to {each.at.position} in partition "
                f"{each.keys.partition}, whose log ends at {each.head}: events were lost"
            )
            return Finding("failed", detail, "restore the log, or rebuild the group")
    lags = dict.fromkeys(groups, 0)
    for each in places:
        lags[each.group] += each.head - each.at.position
    behind = {group: lag for group, lag in lags.items() if lag}
    live = (yield from roll_call(log)).live
    if not behind:
        return Finding("ok", f"all groups have caught up, {len(live)} workers")
    detail = "behind: " + ", ".join(f"{group} by {lag}" for group, lag in behind.items())
    if not live:
        return Finding("failed", f"{detail}; no worker lives", "start one: `eventstore work`")
    alone = [group for group in behind if not any(group in each.groups for each in live)]
    if alone:
        detail = f"{detail}; no worker serves {', '.join(alone)}"
        return Finding("failed", detail, f"start one: `eventstore work --only {','.join(alone)}`")
    return Finding("warning", f"{detail}; {len(live)} workers", "wait, or look at their logs")


def look_at_workers(log: Log, ready: Ready) -> Flow[Finding]:
    """Does every worker that has not left still beat?"""
    roll = yield from ready(lambda: roll_call(log))
    if roll.silent:
        named = ", ".join(f"{each.worker} for {seconds:.1f} s" for each, seconds in roll.silent)
        return Finding(
            "failed",
            f"workers went silent: {named}; {len(roll.live)} live",
            "see whether they were killed or frozen; the others take over what they had, and if "
            "there are none: `eventstore work`",
        )
    return Finding("ok", f"{len(roll.live)} workers live")


def reported_checks(log: Log, ready: Ready, *, but: str) -> Flow[list[Check]]:
    """Return what workers have said of their slots, as checks that failed; `but` is left out."""
    keys = log.partitions[0]
    reports = yield from ready(lambda: call(all_reports(keys)))
    if not reports:
        return []
    roll = yield from roll_call(log)
    known = {each.worker for each in [*roll.live, *(member for member, _ in roll.silent)]} - {but}
    return [
        Check(each.where, "failed", 0.0, f"{each.problem} (worker {worker})", each.remedy)
        for worker, said in sorted(reports.items())
        if worker in known
        for each in said
    ]


def roll_call(log: Log) -> Flow[Roll]:
    """Return who is on the list of workers, by when each was heard last."""
    keys = log.partitions[0]
    listed = Call("ZRANGE", (keys.workers,), (0, -1, "WITHSCORES"), _heard)
    both: list[Call[Any]] = [listed, commands.server_time()]
    heard, now = yield from batch(both)
    roll = Roll([], [])
    for member, at in heard:
        seconds = (now - at) / 1000
        if seconds > SILENT_LEASES * log.settings.lease_seconds:
            roll.silent.append((member, seconds))
        else:
            roll.live.append(member)
    return roll


def _heard(reply: list[bytes]) -> list[tuple[Member, float]]:
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return [(member, float(at)) for name, at in pairs for member in decode_members([name])]


def _places(log: Log, groups: Sequence[str], ready: Ready) -> Flow[list[_Place]]:
    names = [(group, keys) for keys in log.partitions for group in groups]
    # Checkpoints before heads: what is appended and consumed meanwhile puts no group ahead.
    reached = yield from ready(lambda: batch([checkpoint(keys, group) for group, keys in names]))
    heads = {head.partition: head.position for head in (yield from log.heads())}
    return [
        _Place(group, keys, at, heads[keys.partition])
        for (group, keys), at in zip(names, reached, strict=True)
    ]


def _group_names(keys: Keys) -> Call[set[str]]:
    def parse(reply: list[list[bytes]]) -> set[str]:
        return {entry[entry.index(b"name") + 1].decode() for entry in reply}

    return Call("XINFO", (), ("GROUPS", keys.stream), parse)
