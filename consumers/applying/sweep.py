"""The sweep of payload files that no event names.

A producer stores a large payload under its digest before it appends the event that names it. If
it dies in between, the file stays behind. A file is swept when it was not written for a day,
and the payload group, having passed every event there was when the sweep began, has met no
event that names it. A producer that comes back writes the file anew before it appends. Where
several stores share a root, none sweeps: one store's events say nothing of another's files.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Final, TypeVar

import anyio.to_thread

from consumers.applying.payload_group import PAYLOAD_GROUP
from eventstore.flow import Call, as_is, batch
from eventstore.views import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.consuming.access import StoreAccess
    from eventstore.payload_store import StoredDigest

T = TypeVar("T")
SWEEP_SECONDS: Final = 3600.0
FIRST_SWEEP_SECONDS: Final = 30.0
UNREFERENCED_SECONDS: Final = 24 * 3600.0
_PAGE: Final = 500
_log = logging.getLogger(__name__)


async def sweep(access: StoreAccess, older_than_seconds: float = UNREFERENCED_SECONDS) -> int:
    """Remove files that no event names and leftovers of killed writers; return how many files.

    Removes none while the payload group is behind the head seen at the start, and none from a
    payload store that another store uses too.
    """
    others = await _in_thread(access.payloads.claimants) - {await access.uuid()}
    if others:
        _log.warning("no sweep: %s is also used by stores %s", access.payloads.url, others)
        return 0
    if not await _has_passed_head(access):
        return 0
    # Listed after the group has passed: a file named by a later event was written later too.
    files = await _in_thread(functools.partial(access.payloads.digests, older_than_seconds))
    removed = 0
    for start in range(0, len(files), _PAGE):
        page = files[start : start + _PAGE]
        for stored in await _unreferenced(access, page):
            if await _in_thread(functools.partial(access.payloads.delete_digest, stored)):
                removed += 1
    await _in_thread(functools.partial(access.payloads.delete_leftovers, older_than_seconds))
    if removed:
        _log.info("swept %d payload files that no event names", removed)
    return removed


async def _has_passed_head(access: StoreAccess) -> bool:
    heads = await access.run(access.heads())
    reached = await access.run(
        batch([checkpoint(keys, PAYLOAD_GROUP) for keys in access.partitions])
    )
    behind = [head.partition for head in heads if reached[head.partition].position < head.position]
    if behind:
        _log.info("no sweep: the payload group is behind in partitions %s", behind)
    return not behind


async def _unreferenced(access: StoreAccess, page: Sequence[StoredDigest]) -> list[StoredDigest]:
    """Return those files of a page that no partition's events name."""
    names = tuple(stored.sha256 for stored in page)
    calls: list[Call[list[bytes | None]]] = [
        Call("HMGET", (keys.payload_digests,), names, as_is) for keys in access.partitions
    ]
    named = await access.run(batch(calls))
    return [
        stored
        for stored, positions in zip(page, zip(*named, strict=True), strict=True)
        if all(position is None for position in positions)
    ]


async def _in_thread(function: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(function, abandon_on_cancel=True)
