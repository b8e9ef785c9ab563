"""Who may change a consumer group, and when: while nobody holds it, or by taking it over.

The leases of all partitions concerned are taken before the first is changed, by compare-and-set as
a member of the group takes them. Whoever held one is fenced: what it commits after that is refused.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from consumers.working.groups import known_groups, known_projections
from eventstore.consuming.hold import Hold
from eventstore.consuming.lease import owner_of
from eventstore.errors import GroupRefused
from eventstore.flow import Call, Flow, as_is, batch
from eventstore.views import parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from eventstore.views import Checkpoint


def check_kind(group: str, verb: str) -> None:
    """Raise `GroupRefused` for a group of the store's own; `verb` says what is not to be done."""
    if group in {each.name for each in known_projections()}:
        raise GroupRefused(
            group,
            f"it is a read model and cannot be {verb}; `eventstore projection rebuild {group}` "
            "makes it anew from the log",
        )
    if group in known_groups():
        raise GroupRefused(group, f"it is one of the store's own groups and cannot be {verb}")


def records(partitions: Sequence[Keys], group: str) -> Flow[list[bytes | None]]:
    """Return how a subscriber began, by partition; empty while it is being deleted, None for none.

    Raises `GroupRefused` for a competing group.
    """
    calls: list[Call[Any]] = [
        Call("HGET", (key,), (group,), as_is)
        for keys in partitions
        for key in (keys.subscribers, keys.competing)
    ]
    found = yield from batch(calls)
    if any(found[1::2]):
        raise GroupRefused(
            group,
            "its members compete for work, which has no one position; delete the group, and "
            "compete anew from where it is to begin",
        )
    return found[0::2]


def standings(
    partitions: Sequence[Keys], group: str
) -> Flow[list[tuple[Checkpoint | None, str | None]]]:
    """Return where a group is in partitions, and who holds its leases."""
    calls: list[Call[Any]] = []
    for keys in partitions:
        calls += [
            Call("HGET", (keys.checkpoints,), (group,), as_is),
            Call("GET", (keys.lease(group),), (), as_is),
        ]
    found = yield from batch(calls)
    return [
        (at and parse_checkpoint(at), lease and owner_of(lease.decode()))
        for at, lease in zip(found[0::2], found[1::2], strict=True)
    ]


@asynccontextmanager
async def holding(
    access: StoreAccess, chosen: Sequence[Keys], group: str, *, take_over: bool
) -> AsyncIterator[dict[Keys, Hold]]:
    """Hold a group's leases; let go of all, and raise `GroupRefused`, if one cannot be had."""
    holds = {keys: Hold(access, keys.lease(group)) for keys in chosen}
    try:
        for keys, hold in holds.items():
            if take_over:
                await hold.seize()
            elif not await hold.take():
                [(_, owner)] = await access.run(standings([keys], group))
                raise GroupRefused(
                    group,
                    f"{owner or 'somebody'} consumes partition {keys.partition} of it; end that "
                    "first, or take it over: --take-over",
                )
        yield holds
    finally:
        for hold in holds.values():
            await hold.release()


def expect_ok(group: str, reply: list[bytes]) -> None:
    """Raise `GroupRefused` unless a script did what was asked."""
    if reply[0] != b"ok":
        raise GroupRefused(group, "somebody took it over meanwhile; try again")
