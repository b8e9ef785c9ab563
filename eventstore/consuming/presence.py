"""Who consumes the groups of other programs: those processes of each that were heard lately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore import commands
from eventstore.consuming.lease import PATIENCE_LEASES, owner_of
from eventstore.flow import Call, Flow, as_is, batch, call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.keys import Keys


def members_of(first: Keys, groups: Sequence[str], lease_seconds: float) -> Flow[list[int]]:
    """Return how many processes subscribe to each group, in the order given.

    `first` are the keys of partition 0, where they are listed.
    """
    now: int = yield from call(commands.server_time())
    oldest = now - int(PATIENCE_LEASES * lease_seconds * 1000)
    calls: list[Call[Any]] = [
        Call("ZCOUNT", (first.members(group),), (oldest, "+inf"), int) for group in groups
    ]
    return (yield from batch(calls))


def competitors_of(
    first: Keys, groups: Sequence[str], takeover_seconds: float
) -> Flow[list[list[str]]]:
    """Return who competes for the work of each group, as `host/pid`, in the order given.

    `first` are the keys of partition 0, where they have their seats.
    """
    calls: list[Call[Any]] = [commands.server_time()]
    calls += [Call("HVALS", (first.work(group).seats,), (), as_is) for group in groups]
    now, *found = yield from batch(calls)
    oldest = now - takeover_seconds * 1000
    return [sorted({who for seat in seats if (who := _live(seat, oldest))}) for seats in found]


def _live(seat: bytes, oldest: float) -> str | None:
    value = seat.decode()
    return owner_of(value) if int(value.rpartition(":")[2]) > oldest else None
