"""The sessions of a store, from the log: the latest, or every one. All functions are flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from eventstore.flow import Call, Flow, batch, call
from eventstore.times import from_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.keys import Keys
    from eventstore.log import Log

_PAGE: Final = 1000


class SessionSummary(msgspec.Struct, frozen=True):
    """A session: how many events it has, and when the last was appended, by the server's clock."""

    session_id: str
    events: int
    last_append: str


def sessions_by_time(keys: Keys, offset: int, limit: int) -> Call[list[tuple[str, int]]]:
    """Return sessions with the time of their last append in ms, the latest first."""

    def parse(reply: list[bytes]) -> list[tuple[str, int]]:
        return [(reply[i].decode(), int(float(reply[i + 1]))) for i in range(0, len(reply), 2)]

    args = (offset, offset + limit - 1, "WITHSCORES")
    return Call("ZREVRANGE", (keys.sessions,), args, parse)


def session_count(keys: Keys, active_since_ms: int | None = None) -> Call[int]:
    """Return how many sessions there are, or had an append since a time in ms."""
    if active_since_ms is None:
        return Call("ZCARD", (keys.sessions,), (), int)
    return Call("ZCOUNT", (keys.sessions,), (active_since_ms, "+inf"), int)


def latest_sessions(log: Log, limit: int) -> Flow[list[SessionSummary]]:
    """Return the sessions that were appended to last, the latest first."""
    if limit <= 0:
        return []
    pages = yield from batch([sessions_by_time(keys, 0, limit) for keys in log.partitions])
    # As the server orders each page: what a limit cuts is then the end of the whole order.
    latest = sorted(
        (row for page in pages for row in page), key=lambda r: (r[1], r[0]), reverse=True
    )
    latest = latest[:limit]
    counts = yield from batch([_event_count(log.keys_of(name), name) for name, _ in latest])
    return [
        SessionSummary(name, count, from_milliseconds(at))
        for (name, at), count in zip(latest, counts, strict=True)
    ]


def all_sessions(log: Log) -> Flow[list[str]]:
    """Return the id of every session, sorted.

    None that exists at the start is missed, whatever is appended meanwhile: their order changes
    with every append, so they are walked by hash (ZSCAN on one key), in pages, and not by rank.
    """
    found: set[str] = set()
    for keys in log.partitions:
        cursor = 0
        while True:
            cursor, names = yield from call(_walk(keys, cursor))
            found.update(names)
            if cursor == 0:
                break
    return sorted(found)


def session_total(log: Log) -> Flow[int]:
    """Return how many sessions there are."""
    counts: Sequence[int] = yield from batch([session_count(keys) for keys in log.partitions])
    return sum(counts)


def _event_count(keys: Keys, session_id: str) -> Call[int]:
    return Call("HGET", (keys.session(session_id),), ("seq",), lambda reply: int(reply or 0))


def _walk(keys: Keys, cursor: int) -> Call[tuple[int, list[str]]]:
    def parse(reply: list[Any]) -> tuple[int, list[str]]:
        after, members = reply
        return int(after), [member.decode() for member in members[::2]]

    return Call("ZSCAN", (keys.sessions,), (cursor, "COUNT", _PAGE), parse)
