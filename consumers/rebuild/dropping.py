"""Dropping the keys of a generation that is not live and never will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.checking.dumping import START_OF_SCAN, scan_page
from eventstore.flow import Call, Flow, batch, call

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys, ProjectionKeys
    from projections.base import Projection


async def drop_generation(
    access: StoreAccess,
    keys: Keys,
    projection: Projection,
    generation: int,
    report: Callable[[int], object],
) -> int:
    """Drop what a projection wrote in one generation; return how many keys.

    `report` is told how many are gone after each page of the scan.
    """
    names = keys.projection(generation)
    parked = keys.parked(projection.name, generation).all
    dropped = await access.run(call(Call("UNLINK", (), parked, int)))
    cursor = START_OF_SCAN
    while True:
        cursor, found = await access.run(_drop_page(names, projection.families, cursor))
        dropped += found
        report(dropped)
        if cursor == START_OF_SCAN:
            return dropped


def _drop_page(
    names: ProjectionKeys, families: frozenset[str], cursor: bytes
) -> Flow[tuple[bytes, int]]:
    following, found = yield from scan_page(names, families, cursor)
    gone = yield from batch([Call("UNLINK", (), tuple(found), int)] if found else [])
    return following, sum(gone)
