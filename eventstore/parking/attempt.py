"""Running a handler so that what it throws comes back as a value. Catches any exception."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from eventstore.parking.blame import is_events_own

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OwnFault:
    """What a handler threw that is the fault of the events it was given."""

    error: Exception


async def attempt(work: Callable[[], Awaitable[T]]) -> T | OwnFault:
    """Return what the work returns, or the fault that is its events' own; raise any other.

    A cancellation that nobody asked this task for (of something that the work awaits) is a fault.
    """
    try:
        return await work()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        stray = RuntimeError("something that the handler awaits was cancelled")
        stray.__cause__ = error
        return OwnFault(stray)
    except Exception as error:
        if not is_events_own(error):
            raise
        return OwnFault(error)


def attempt_blocking(work: Callable[[], T]) -> T | OwnFault:
    """Return what blocking work returns; otherwise as `attempt`."""
    try:
        return work()
    except Exception as error:
        if not is_events_own(error):
            raise
        return OwnFault(error)
