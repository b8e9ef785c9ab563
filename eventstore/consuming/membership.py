"""Who consumes what: live workers, and the slots that each of them should own.

A slot is a group in a partition. Every worker computes the same assignment from the same list
of live workers; while their lists differ, leases keep two of them from doing one slot's work.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from eventstore.flow import Call
from eventstore.scripts import script

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_log = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(list[str])


class Slot(NamedTuple):
    """The work of one group in one partition."""

    group: str
    partition: int

    def __str__(self) -> str:
        return f"{self.group}/{self.partition}"


@dataclass(frozen=True, order=True)
class Member:
    """A live worker and the groups that it can consume."""

    worker: str
    groups: tuple[str, ...]

    def encode(self) -> str:
        """Return the member as it stands in the set of workers: a JSON list of its names."""
        return msgspec.json.encode([self.worker, *self.groups]).decode()


def decode_members(values: Iterable[bytes]) -> list[Member]:
    """Return the members that the set of workers names; what cannot be read is not counted."""
    members = []
    for value in values:
        try:
            worker, *groups = _decoder.decode(value)
        except (msgspec.DecodeError, ValueError):
            _log.warning("no worker of this version wrote %r into the set of workers", value)
        else:
            members.append(Member(worker, tuple(groups)))
    return members


def heartbeat(key: str, member: Member | None, ttl_ms: int) -> Call[list[Member]]:
    """Say that a worker lives (None: only look) and return all that were heard within `ttl_ms`.

    `key` is that of the set of those who share the work.
    """
    return _heartbeat(key, "" if member is None else member.encode(), ttl_ms, "0")


def leave(key: str, member: Member) -> Call[list[Member]]:
    """Take a worker off the list."""
    # Nobody else is to be forgotten on the way out, so the age does not count.
    return _heartbeat(key, member.encode(), 2**40, "1")


def _heartbeat(key: str, name: str, ttl_ms: int, leaving: str) -> Call[list[Member]]:
    def parse(reply: list[bytes]) -> list[Member]:
        return decode_members(reply[1:])

    return Call(script("heartbeat"), (key,), (name, ttl_ms, leaving), parse)


def assign(members: Sequence[Member], partitions: int) -> dict[Slot, str]:
    """Return which worker should own each slot of the members' groups.

    The result depends only on the set of members. Slots that few workers can serve are given
    out first, each to the least laden worker that serves its group; where all serve the same
    groups this is round robin over the sorted workers, and loads differ by one at most.
    """
    by_group: dict[str, list[str]] = {}
    for member in sorted(members):
        for group in member.groups:
            by_group.setdefault(group, []).append(member.worker)
    slots = [Slot(group, partition) for group in by_group for partition in range(partitions)]
    slots.sort(key=lambda slot: (len(by_group[slot.group]), slot))
    load = {member.worker: 0 for member in members}
    owners = {}
    for slot in slots:
        owner = min(by_group[slot.group], key=lambda worker: (load[worker], worker))
        load[owner] += 1
        owners[slot] = owner
    return owners
