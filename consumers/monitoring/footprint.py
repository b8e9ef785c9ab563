"""Bytes in the server by kind of key. Walks the keyspace: for display only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore.flow import Call, Flow, as_is, batch, call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventstore.keys import Keys

SAMPLES: Final = 5
_PAGE: Final = 1000


class Kind(NamedTuple):
    """All keys of one kind: how many, and the memory they take by the server's estimate."""

    name: str
    keys: int
    bytes: int


def footprint(partitions: Iterable[Keys], samples: int = SAMPLES) -> Flow[list[Kind]]:
    """Return the kinds of keys that the partitions hold, the largest first. A flow.

    The server looks at so many `samples` of each key to estimate its bytes, at all of it for 0.
    """
    counts: dict[str, list[int]] = {}
    for keys in partitions:
        cursor = b"0"
        seen: set[bytes] = set()
        while True:
            args = (cursor, "MATCH", f"{_literal(keys.prefix)}*", "COUNT", _PAGE)
            scan: Call[list[Any]] = Call("SCAN", (), args, as_is)
            cursor, page = yield from call(scan)
            # A walk may come upon a key twice.
            found = [key for key in page if key not in seen]
            seen.update(found)
            sizes = yield from batch([_memory_usage(key, samples) for key in found])
            for key, used in zip(found, sizes, strict=True):
                kind = counts.setdefault(kind_of(key.decode(), keys), [0, 0])
                kind[0] += 1
                kind[1] += used
            if cursor == b"0":
                break
    kinds = [Kind(name, count, total) for name, (count, total) in counts.items()]
    return sorted(kinds, key=lambda kind: (-kind.bytes, kind.name))


def _memory_usage(key: bytes, samples: int) -> Call[int]:
    return Call("MEMORY", (), ("USAGE", key, "SAMPLES", samples), lambda reply: int(reply or 0))


def kind_of(key: str, keys: Keys) -> str:
    """Return what a key of a partition is for: its words, without the names that users chose.

    Names are escaped and hold no colon, so each is one segment: the second.
    """
    if key in (keys.payload_digests, keys.payload_missing):
        return key.removeprefix(keys.prefix)
    first, *rest = key.removeprefix(keys.prefix).split(":")
    if first[:1] == "g" and first[1:].isdigit():
        first, *rest = rest
    return ":".join((first, *rest[1:2]))


def _literal(prefix: str) -> str:
    """Return a prefix as a pattern that matches only itself."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^-" else letter for letter in prefix)
