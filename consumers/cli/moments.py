"""Moments on the command line: an ISO-8601 time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from eventstore.errors import InvalidInput
from eventstore.times import parse_timestamp

_AGO: Final = re.compile(r"(\d{1,9})(s|m|h|d|w)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str | None, option: str, now: datetime | None = None) -> str | None:
    """Return a moment in canonical form: `15m` is a quarter of an hour ago. None stays None.

    Raises `InvalidInput` naming the option.
    """
    if text is None:
        return None
    found = _AGO.fullmatch(text.strip())
    try:
        if found is None:
            return parse_timestamp(text.strip(), option)
        ago = timedelta(**{_UNITS[found[2]]: int(found[1])})
        return parse_timestamp((now or datetime.now(UTC)) - ago, option)
    except OverflowError:
        raise InvalidInput(f"{option}: {text!r} is before the year 1") from None
