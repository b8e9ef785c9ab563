"""Whose fault it is that an event was not handled: its own, or that of what is around it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

import msgspec
from redis.exceptions import RedisError

from eventstore.errors import (
    EventStoreError,
    InvalidInput,
    NotFound,
    PayloadDamaged,
    PayloadMissing,
    PluginError,
    Refused,
    WriteRefused,
)
from eventstore.faults import says_away

if TYPE_CHECKING:
    from eventstore.redaction import Redactor

MAX_ERROR: Final = 2_000
MAX_TRACEBACK: Final = 16_000
# Of this project's errors those that the same event meets again, whatever is around it.
_OWN: Final = (
    InvalidInput,
    NotFound,
    PayloadDamaged,
    PayloadMissing,
    PluginError,
    Refused,
    WriteRefused,
)


class Fault(msgspec.Struct, frozen=True):
    """What a handler threw, in text without secrets; both texts are bounded."""

    error: str
    traceback: str


def is_events_own(error: BaseException) -> bool:
    """Return whether a fault is to be counted against the event, which is parked in the end.

    Anything a handler throws is, but what says that something is away or full (`Unavailable`, a
    lost connection of the Redis client, no memory), or that the record is not what it must be
    (`Damaged`; a payload that is missing or damaged is the event's own).
    """
    if isinstance(error, RedisError):
        return not says_away(error)
    if isinstance(error, EventStoreError):
        return isinstance(error, _OWN)
    return isinstance(error, Exception) and not isinstance(error, MemoryError)


def describe(error: BaseException, redactor: Redactor) -> Fault:
    """Return what is kept of a fault: the ends of long tracebacks say the most."""
    lines = "".join(traceback.format_exception(error))
    said = f"{type(error).__name__}: {error}"
    return Fault(
        redactor.text(_text(said))[:MAX_ERROR], redactor.text(_text(lines))[-MAX_TRACEBACK:]
    )


def _text(value: str) -> str:
    """Return a text that UTF-8 can hold: what an exception says may be no Unicode."""
    return value.encode("utf-8", "backslashreplace").decode()
