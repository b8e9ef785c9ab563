"""Payloads that were lost with a server, looked for again: somebody may have brought files back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from eventstore.flow import Call, as_is, blocking, call
from eventstore.opening.readding import lacks_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.flow import Flow
    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.payload_store import PayloadStore

_PAGE: Final = 500
_START_OF_SCAN: Final = b"0"


class Looked(NamedTuple):
    """How many payloads were lost and have a file now, and some refs of those that have none."""

    found: int
    missing: int
    some: tuple[str, ...]


def look_again(log: Log, payloads: PayloadStore, some: int = 3) -> Flow[Looked]:
    """Take note of lost payloads that have a file again; return what is still missing.

    Costs a look at the payload store for each. Raises `PayloadStoreError`.
    """
    found, missing, refs = 0, 0, list[str]()
    for keys in log.partitions:
        cursor = _START_OF_SCAN
        while True:
            page = Call("HSCAN", (keys.payload_missing,), (cursor, "COUNT", _PAGE), as_is)
            cursor, pairs = yield from call(page)
            # A scan may return a field twice.
            positions = sorted({int(position) for position in pairs[1::2]})
            lacking = yield from _look(log, payloads, keys, positions)
            found += len(positions) - len(lacking)
            missing += len(lacking)
            refs += [each.event.ref for each in lacking[: some - len(refs)]]
            if cursor == _START_OF_SCAN:
                break
    return Looked(found, missing, tuple(refs))


def _look(
    log: Log, payloads: PayloadStore, keys: Keys, positions: Sequence[int]
) -> Flow[list[Recorded]]:
    """Forget those of some losses that are none any more; return the others."""
    if not positions:
        return []
    events = yield from log.at_positions(keys, positions)
    lacking: list[Recorded] = yield from blocking(partial(_lacking, payloads, events))
    lost = {each.event.ref for each in lacking}
    back = [each.event.ref for each in events if each.event.ref not in lost]
    if back:
        yield from call(Call("HDEL", (keys.payload_missing,), tuple(back), int))
    return lacking


def _lacking(payloads: PayloadStore, events: Sequence[Recorded]) -> list[Recorded]:
    return [each for each in events if lacks_file(payloads, each)]
