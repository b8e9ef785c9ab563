"""Event time: ISO-8601 in UTC with milliseconds and a Z."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from eventstore.errors import InvalidEvent
from eventstore.shown import shown

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# With the hours that every Python reads: later versions take 24:00 for the next day's 00:00.
_CANONICAL = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
)


def current_timestamp() -> str:
    """Return the current time, as in `2026-01-31T12:00:00.000Z`."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


def to_milliseconds(timestamp: str) -> int:
    """Return the milliseconds since 1970 of a canonical timestamp."""
    return (datetime.fromisoformat(timestamp) - _EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> str:
    """Return the canonical timestamp of a number of milliseconds since 1970."""
    return _format(_EPOCH + milliseconds * _MILLISECOND)


def parse_timestamp(value: object, field: str = "ts") -> str:
    """Return a time in the canonical form, cut to milliseconds.

    Takes an aware `datetime` or an ISO-8601 string with an offset. Raises `InvalidEvent`
    naming `field` for anything else: a time without an offset means different moments to
    different readers.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidEvent(
                field, f"{shown(value)} is not an ISO-8601 time such as 2026-01-31T12:00:00.000Z"
            ) from None
        if _CANONICAL.fullmatch(value):
            return value
    else:
        raise InvalidEvent(field, f"a time is text or datetime, not {type(value).__name__}")
    if moment.tzinfo is None:
        raise InvalidEvent(field, f"{value!s} has no offset; write Z or +00:00 behind it")
    try:
        return _format(moment.astimezone(UTC))
    except OverflowError:
        raise InvalidEvent(field, f"{value!s} is outside the years 1 to 9999 in UTC") from None


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def _format(moment: datetime) -> str:
    text = moment.isoformat(timespec="milliseconds")
    return f"{text[:23]}Z"
