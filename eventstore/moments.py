"""Moments of a session's past: where its log ended as of a `seq`, or as of a time.

All functions are flows, and read the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.errors import InvalidInput, SessionNotFound
from eventstore.flow import Flow, call
from eventstore.lanes import lane_heads
from eventstore.shown import shown
from eventstore.times import parse_timestamp, to_milliseconds

if TYPE_CHECKING:
    from datetime import datetime

    from eventstore.codec import Recorded
    from eventstore.log import Log


def position_of(
    log: Log, session_id: str, seq: int | None, time: str | datetime | None
) -> Flow[int]:
    """Return the position of the last event of a session at a moment; 0 if there was none yet.

    The moment and the errors are those of `last_at`.
    """
    last = yield from last_at(log, session_id, seq, time)
    return 0 if last is None else last.position


def last_at(
    log: Log, session_id: str, seq: int | None, time: str | datetime | None
) -> Flow[Recorded | None]:
    """Return the last event of a session at a moment; None if there was none yet.

    The moment is right after the event with `seq`, or `time` by the server's clock: what was
    appended until then, whatever its event time. So a moment is always a beginning of the log.
    Exactly one of them is given. Raises `InvalidInput` for a seq that the session does not have,
    and `SessionNotFound`.
    """
    if (seq is None) == (time is None):
        raise InvalidInput("as_of: takes either seq or time")
    keys = log.keys_of(session_id)
    heads = yield from call(lane_heads(keys, session_id, ()))
    if heads.seq is None:
        raise SessionNotFound(session_id)
    if time is not None:
        moment = to_milliseconds(parse_timestamp(time, "time"))
        return (yield from _last_until(log, session_id, heads.seq, moment))
    check_seq(seq, session_id, heads.seq)
    return (yield from _event(log, session_id, seq))


def check_seq(seq: Any, session_id: str, length: int) -> None:
    """Raise `InvalidInput` unless a session of so many events has one with this seq."""
    if isinstance(seq, bool) or not isinstance(seq, int):
        raise InvalidInput(f"seq: a whole number, not {type(seq).__name__}")
    if not 0 <= seq < length:
        raise InvalidInput(
            f"seq: session {session_id!r} has events 0-{length - 1}; {shown(seq)} is none"
        )


def _last_until(log: Log, session_id: str, length: int, moment: int) -> Flow[Recorded | None]:
    """Return an event by `moment` whose successor came later.

    Found by halving: there is one such event, unless the server's clock was set back.
    """
    first, last = 0, length
    found = None
    while first < last:
        middle = (first + last) // 2
        recorded = yield from _event(log, session_id, middle)
        if recorded.appended_at <= moment:
            first, found = middle + 1, recorded
        else:
            last = middle
    return found


def _event(log: Log, session_id: str, seq: Any) -> Flow[Recorded]:
    (recorded,) = yield from log.read(session_id, from_seq=seq, to_seq=seq + 1)
    return recorded
