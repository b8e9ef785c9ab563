"""The one place of a worker that catches whatever is thrown, and decides what becomes of it.

A fault is retried after a growing pause until it is gone, or until the loop parks the event whose
own fault it is (`eventstore.parking.attempt`). What differs besides is how it is said. The store
or the payload store being away is a warning; a record that is not what it must be, or that only a
newer version reads, pauses the slot; anything else is a defect and logged with its traceback.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import anyio

from consumers.monitoring.health import Verdict
from eventstore.consuming.backoff import pause_after
from eventstore.errors import EventStoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.monitoring.health import SlotStatus

T = TypeVar("T")
_logger = logging.getLogger(__name__)


async def keep_trying(
    work: Callable[[], Awaitable[T]],
    status: SlotStatus,
    stopped: anyio.Event,
    pause: Callable[[int], float] = pause_after,
) -> T | None:
    """Return what the work returns, however often it fails first; None once `stopped` is set.

    Every fault is noted in `status`, which the work clears by getting on; `pause` gives the
    seconds to wait after so many in a row.
    """
    while not stopped.is_set():
        try:
            return await work()
        except EventStoreError as error:
            _note(status, error)
        except Exception as error:
            status.fail(error)
            _logger.exception("%s: a defect after position %d", status.slot, status.position)
        with anyio.move_on_after(pause(status.failures)):
            await stopped.wait()
    return None


async def contained(work: Callable[[], Awaitable[T]], what: str) -> T | None:
    """Return what the work returns, or None after logging the defect that ended it."""
    try:
        return await work()
    except Exception:
        _logger.exception("%s", what)
        return None


def _note(status: SlotStatus, error: EventStoreError) -> None:
    before, verdict = status.error, status.fail(error)
    if status.error != before:
        away = verdict in (Verdict.RETRY, Verdict.PAYLOADS)
        _logger.log(
            logging.WARNING if away else logging.ERROR,
            "%s, after position %d: %s",
            status.slot,
            status.position,
            status.error,
        )
