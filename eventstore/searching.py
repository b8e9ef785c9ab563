"""Search over a session's artifacts: which index to walk, which rows to keep.

With one filter its own index is walked and costs O(log n + rows). With several, the index with
the fewest rows in the time range is walked in pages, and the lean headers of its rows are
checked against the other filters. Payloads are loaded only for the rows that are returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from eventstore.errors import InvalidInput, ProjectionDamaged
from eventstore.flow import Call, Flow, as_is
from eventstore.header_view import header_of, lean_of
from eventstore.names import check_name
from eventstore.shown import shown
from eventstore.times import parse_timestamp, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.keys import Keys, ProjectionKeys
    from eventstore.views import Views

Order = Literal["asc", "desc"]
Header = dict[str, Any]
# The server counts in 64 bits, and scripts exactly only below this.
_LIMIT_END: Final = 2**53
_LEAST_PAGE: Final = 64
_LARGEST_PAGE: Final = 1000
_decode: Final = msgspec.json.Decoder(Header).decode


class Filters(NamedTuple):
    """What a row must be; None asks nothing. `since` is included, `until` is not, both in ms."""

    tag: str | None
    type: str | None
    agent: str | None
    branch: str | None
    since: int | None
    until: int | None

    @property
    def named(self) -> dict[str, str]:
        """The filters that have an index of their own."""
        return {name: value for name in _INDEXES if (value := getattr(self, name)) is not None}


_INDEXES: Final[dict[str, Callable[[ProjectionKeys, str, str], str]]] = {
    "tag": lambda keys, session, name: keys.tag(session, name),
    "type": lambda keys, session, name: keys.type(session, name),
    "agent": lambda keys, session, name: keys.agent(session, name),
    "branch": lambda keys, session, name: keys.on_branch(session, name),
}
_MATCHES: Final[dict[str, Callable[[Header, str], bool]]] = {
    "tag": lambda lean, value: value in lean.get("tags", ()) or value == lean["type"],
    "type": lambda lean, value: bool(value == lean["type"]),
    "agent": lambda lean, value: bool(value == lean["agent_id"]),
    "branch": lambda lean, value: bool(value == lean["branch_id"]),
}


class Found(NamedTuple):
    """A row of an index: its ref, its position in the log, its score as the server writes it."""

    ref: str
    position: int
    score: str = ""


def found_in(member: bytes, score: str = "") -> Found:
    """Return the row that a member of a sorted set stands for: `<position, 16 hex>:<ref>`."""
    position, _, ref = member.decode().partition(":")
    return Found(ref, int(position, 16), score)


class Place(NamedTuple):
    """Where a walk stands: the score of the last row seen, and how many rows seen have it."""

    score: str
    seen: int


def make_filters(
    tag: object, type_: object, agent: object, branch: object, since: object, until: object
) -> Filters:
    """Return checked filters. Raises `InvalidName` or `InvalidEvent` naming the argument."""
    names = {"tag": tag, "type": type_, "agent": agent, "branch": branch}
    checked = {k: None if v is None else check_name(k, v) for k, v in names.items()}
    return Filters(**checked, since=_moment(since, "since"), until=_moment(until, "until"))


def check_limit(limit: object, field: str = "limit") -> None:
    """Raise `InvalidInput` naming `field` unless `limit` is a whole number from 0, below 2**53."""
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise InvalidInput(f"{field}: a whole number, not {type(limit).__name__}")
    if limit < 0:
        raise InvalidInput(f"{field}: counts from 0, {shown(limit)} is below it")
    if limit >= _LIMIT_END:
        raise InvalidInput(f"{field}: {shown(limit)} is more than there can be; ask for fewer")


def _moment(value: object, field: str) -> int | None:
    return None if value is None else to_milliseconds(parse_timestamp(value, field))


def find_rows(
    views: Views, keys: Keys, session_id: str, filters: Filters, order: Order, limit: int
) -> Flow[list[Found]]:
    """Return the rows that pass, in order of event time, at most `limit`."""
    if order not in ("asc", "desc"):
        raise InvalidInput(f'order: "asc" or "desc", not {shown(order)}')
    check_limit(limit)
    named = filters.named
    if len(named) <= 1:
        index = _index(session_id, named)
        return (yield from _page(views, keys, session_id, index, filters, order, None, limit))
    name = yield from _smallest(views, keys, session_id, filters)
    rest = {other: value for other, value in named.items() if other != name}
    index = _index(session_id, {name: named[name]})
    found: list[Found] = []
    seen: set[str] = set()
    place: Place | None = None
    size = max(_LEAST_PAGE, min(limit, _LARGEST_PAGE))
    while len(found) < limit:
        rows = yield from _page(views, keys, session_id, index, filters, order, place, size)
        if not rows:
            break
        # A late event may push rows that were seen already over the page's edge again.
        fresh = [row for row in rows if row.ref not in seen]
        seen.update(row.ref for row in fresh)
        found += yield from _matching(views, keys, session_id, fresh, rest)
        place = _advance(place, [row.score for row in rows])
        size = min(size * 2, _LARGEST_PAGE)
    return found[:limit]


def _index(session_id: str, named: dict[str, str]) -> Callable[[ProjectionKeys], str]:
    if not named:
        return lambda keys: keys.timeline(session_id)
    ((name, value),) = named.items()
    return lambda keys: _INDEXES[name](keys, session_id, value)


def _smallest(views: Views, keys: Keys, session_id: str, filters: Filters) -> Flow[str]:
    low, high = _bounds(filters)
    named = filters.named

    def counts(projection: ProjectionKeys) -> list[Call[int]]:
        return [
            Call("ZCOUNT", (_INDEXES[name](projection, session_id, value),), (low, high), int)
            for name, value in named.items()
        ]

    sizes = yield from views.query("timeline", keys, counts, sessions=[session_id])
    return min(zip(sizes, named, strict=True))[1]


def _page(
    views: Views,
    keys: Keys,
    session_id: str,
    index: Callable[[ProjectionKeys], str],
    filters: Filters,
    order: Order,
    place: Place | None,
    size: int,
) -> Flow[list[Found]]:
    """Return the next rows of an index behind a place."""
    low, high = _bounds(filters)
    if place is not None and order == "desc":
        high = place.score
    elif place is not None:
        low = place.score
    limits = ("LIMIT", place.seen if place else 0, size)
    if order == "desc":
        verb, args = "ZREVRANGEBYSCORE", (high, low, "WITHSCORES", *limits)
    else:
        verb, args = "ZRANGEBYSCORE", (low, high, "WITHSCORES", *limits)
    (rows,) = yield from views.query(
        "timeline",
        keys,
        lambda projection: [Call(verb, (index(projection),), args, _rows)],
        sessions=[session_id],
    )
    return list(rows)


def _rows(reply: Sequence[bytes]) -> list[Found]:
    return [found_in(reply[i], reply[i + 1].decode()) for i in range(0, len(reply), 2)]


def _advance(place: Place | None, scores: Sequence[str]) -> Place:
    last = scores[-1]
    seen = sum(1 for score in scores if score == last)
    if place is not None and place.score == last:
        seen += place.seen
    return Place(last, seen)


def _bounds(filters: Filters) -> tuple[str, str]:
    low = "-inf" if filters.since is None else str(filters.since)
    return low, "+inf" if filters.until is None else f"({filters.until}"


def _matching(
    views: Views, keys: Keys, session_id: str, rows: Sequence[Found], rest: dict[str, str]
) -> Flow[list[Found]]:
    leans = yield from _headers_of(
        views, keys, session_id, rows, lambda projection: projection.index(session_id), lean_of
    )
    return [
        row
        for row, lean in zip(rows, leans, strict=True)
        if all(_MATCHES[name](lean, value) for name, value in rest.items())
    ]


def full_headers(
    views: Views, keys: Keys, session_id: str, rows: Sequence[Found]
) -> Flow[list[Header]]:
    """Return the full headers of rows, in their order."""
    return (
        yield from _headers_of(
            views, keys, session_id, rows, lambda projection: projection.headers(session_id), dict
        )
    )


def _headers_of(
    views: Views,
    keys: Keys,
    session_id: str,
    rows: Sequence[Found],
    key: Callable[[ProjectionKeys], str],
    view: Callable[[Header], Header],
) -> Flow[list[Header]]:
    """Return the headers of rows from a hash of the index; `view` makes its row of a full one."""
    if not rows:
        return []
    refs = [row.ref for row in rows]
    starts = range(0, len(refs), _LARGEST_PAGE)
    parts = [tuple(refs[start : start + _LARGEST_PAGE]) for start in starts]
    # The index is a group of its own: it may be behind the one that showed these rows.
    pages = yield from views.query(
        "index",
        keys,
        lambda projection: [Call("HMGET", (key(projection),), part, as_is) for part in parts],
        sessions=[session_id],
        position=max(row.position for row in rows),
    )
    found = [value for page in pages for value in page]
    missing = [row for row, value in zip(rows, found, strict=True) if value is None]
    others = (yield from _left_out(views, keys, session_id, missing)) if missing else {}
    return [
        view(others[row.ref]) if value is None else _decode(value)
        for row, value in zip(rows, found, strict=True)
    ]


def _left_out(
    views: Views, keys: Keys, session_id: str, rows: Sequence[Found]
) -> Flow[dict[str, Header]]:
    """Return the headers of rows that the index could not take, made from the log, by ref.

    Raises `ProjectionDamaged` if it has nothing for a row that it did not leave out.
    """
    refs, positions = tuple(row.ref for row in rows), tuple(row.position for row in rows)

    def calls(projection: ProjectionKeys) -> list[Call[Any]]:
        left_out = projection.parked("index").positions
        return [
            Call("HMGET", (projection.headers(session_id),), refs, as_is),
            Call("ZMSCORE", (left_out,), positions, as_is),
        ]

    # Looked for once more: a rebuild may have taken them in meanwhile.
    values, scores = yield from views.query("index", keys, calls)
    found = {ref: _decode(value) for ref, value in zip(refs, values, strict=True) if value}
    missing = [row for row in rows if row.ref not in found]
    left_out = {row.ref for row, score in zip(rows, scores, strict=True) if score is not None}
    damaged = [row.ref for row in missing if row.ref not in left_out]
    if damaged:
        raise ProjectionDamaged(
            f"session {session_id!r}: the index has no header of {damaged[0]}, which another "
            "projection shows; `eventstore projection verify index` says how far it is whole"
        )
    events = yield from views.events_at(keys, [row.position for row in missing])
    return found | {item.event.ref: header_of(item) for item in events}
