"""Who competes for a group's work: the processes that have a seat and were heard lately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore import commands
from eventstore.consuming.lease import owner_of
from eventstore.flow import Call, as_is, batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.consuming.access import StoreAccess


async def competitors(access: StoreAccess, groups: Sequence[str]) -> list[list[str]]:
    """Return the live processes of competing groups, each as `host/pid`, in the order given."""
    first = access.partitions[0]
    calls: list[Call[Any]] = [commands.server_time()]
    calls += [Call("HVALS", (first.work(group).seats,), (), as_is) for group in groups]
    now, *found = await access.run(batch(calls))
    oldest = now - access.settings.consuming.takeover_seconds * 1000
    return [sorted({who for seat in seats if (who := _live(seat, oldest))}) for seats in found]


def _live(seat: bytes, oldest: float) -> str | None:
    value = seat.decode()
    return owner_of(value) if int(value.rpartition(":")[2]) > oldest else None
