"""Reading whole keys of read models from the server, in pages that hold nobody up.

For administration only: it looks at every key of the database, a thousand a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventstore.flow import Call, Flow, batch, call
from projections.memory import Content, canonical_score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from eventstore.keys import ProjectionKeys

KEYS_A_PAGE: Final = 50
"""How many keys `dump` should be given at once."""

START_OF_SCAN: Final = b"0"
_SCANNED_A_CALL: Final = 1000
_ROWS_A_CALL: Final = 500


def scan(keys: ProjectionKeys, families: Iterable[str]) -> Flow[list[bytes]]:
    """Return the keys of some families in one partition and generation, each once.

    A key that is there all the while is found; one that comes or goes may be or not.
    """
    wanted = frozenset(families)
    found: dict[bytes, None] = {}
    cursor = START_OF_SCAN
    while True:
        cursor, names = yield from scan_page(keys, wanted, cursor)
        found.update(dict.fromkeys(names))
        if cursor == START_OF_SCAN:
            return list(found)


def scan_page(
    keys: ProjectionKeys, families: frozenset[str], cursor: bytes
) -> Flow[tuple[bytes, list[bytes]]]:
    """Return the cursor of the next page, that of the start if there is none, and a page's keys.

    A key may be on several pages.
    """
    args = (cursor, "MATCH", keys.pattern, "COUNT", _SCANNED_A_CALL)
    following, names = yield from call(Call("SCAN", (), args, tuple))
    return following, [name for name in names if keys.family_of(text(name)) in families]


def text(name: bytes) -> str:
    """Return a key as text, also if something foreign wrote it in no encoding of ours."""
    return name.decode("utf-8", "surrogateescape")


def dump(names: Sequence[bytes]) -> Flow[list[Content | None]]:
    """Return what each key holds, None for one that does not exist, in the order given.

    A hash or sorted set is read row by row, so one that changes meanwhile may show a mixture.
    """
    kinds = yield from batch([Call("TYPE", (), (name,), bytes.decode) for name in names])
    contents = [Content(kind) for kind in kinds]
    left = {n: b"0" for n, kind in enumerate(kinds) if kind in _READERS}
    while left:
        calls = [_READERS[kinds[n]](names[n], cursor) for n, cursor in left.items()]
        for n, (cursor, rows) in zip(list(left), (yield from batch(calls)), strict=True):
            contents[n].rows.update(rows)
            left[n] = cursor
        left = {n: cursor for n, cursor in left.items() if cursor != b"0"}
    return [
        None if each.kind == "none" or (each.kind in _READERS and not each.rows) else each
        for each in contents
    ]


def _hash(name: bytes, cursor: bytes) -> Call[tuple[bytes, dict[bytes, bytes]]]:
    return Call("HSCAN", (), (name, cursor, "COUNT", _ROWS_A_CALL), _pairs)


def _zset(name: bytes, cursor: bytes) -> Call[tuple[bytes, dict[bytes, bytes]]]:
    def parse(reply: Any) -> tuple[bytes, dict[bytes, bytes]]:
        following, rows = _pairs(reply)
        return following, {member: canonical_score(score) for member, score in rows.items()}

    return Call("ZSCAN", (), (name, cursor, "COUNT", _ROWS_A_CALL), parse)


def _string(name: bytes, cursor: bytes) -> Call[tuple[bytes, dict[bytes, bytes]]]:
    del cursor

    def parse(reply: bytes | None) -> tuple[bytes, dict[bytes, bytes]]:
        return b"0", {} if reply is None else {b"": reply}

    return Call("GET", (), (name,), parse)


def _pairs(reply: Any) -> tuple[bytes, dict[bytes, bytes]]:
    cursor, flat = reply
    return cursor, dict(zip(flat[::2], flat[1::2], strict=True))


_READERS: Final[dict[str, Callable[[bytes, bytes], Call[tuple[bytes, dict[bytes, bytes]]]]]] = {
    "hash": _hash,
    "zset": _zset,
    "string": _string,
}
