"""Read models in memory: what a server would hold after the same writes.

`verify` and rebuilds compare a server with it. It performs the writes of `projections.base` and
no other command.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys
    from projections.base import Projection, Read, Value, Write

Kind = Literal["hash", "zset", "string"]
_KINDS: Final[dict[str, Kind]] = {
    "HSET": "hash",
    "HDEL": "hash",
    "HINCRBY": "hash",
    "ZADD": "zset",
    "ZREM": "zset",
    "SET": "string",
}


@dataclass(slots=True)
class Content:
    """What one key holds: field -> value, member -> score, or one row of a string.

    Scores are written in one canonical way, so equal ones are equal bytes.
    """

    kind: str
    rows: dict[bytes, bytes] = field(default_factory=dict)


class Memory:
    """The keys of read models, by name. A key without rows does not exist."""

    def __init__(self) -> None:
        self.keys: dict[str, Content] = {}

    def advance(
        self, projection: Projection, events: Sequence[Recorded], keys: ProjectionKeys
    ) -> None:
        """Take a projection past some events, as a consumer would on the server."""
        state = {read: self.read(read) for read in projection.needs(events, keys)}
        for write in projection.fold(events, state, keys):
            self.perform(write)

    def read(self, read: Read) -> Any:
        """Return the reply that a server would send. Raises `ValueError` for a wrong type."""
        content = self.keys.get(read.key)
        kind = "zset" if read.command.startswith("Z") else "hash"
        if content is not None and content.kind != kind:
            raise ValueError(f"{read.command} on a {content.kind} at {read.key}")
        rows = {} if content is None else content.rows
        if read.command == "ZRANGEBYSCORE":
            return _between(rows, *map(float, read.args))
        fields = [name.encode() for name in read.args]
        if read.command == "HGETALL":
            return [part for pair in rows.items() for part in pair]
        if read.command == "HMGET":
            return [rows.get(name) for name in fields]
        return rows.get(fields[0])

    def perform(self, write: Write) -> None:
        """Make one write. Raises `ValueError` for a key of another type."""
        if write.command == "UNLINK":
            self.keys.pop(write.key, None)
            return
        content = self.keys.setdefault(write.key, Content(_KINDS[write.command]))
        if content.kind != _KINDS[write.command]:
            raise ValueError(f"{write.command} on a {content.kind} at {write.key}")
        _change(content.rows, write)
        if not content.rows:
            del self.keys[write.key]


def _between(rows: dict[bytes, bytes], lowest: float, highest: float) -> list[bytes]:
    """Return the members with these scores, in the server's order."""
    scored = sorted((float(score), member) for member, score in rows.items())
    return [member for score, member in scored if lowest <= score <= highest]


def canonical_score(text: bytes | str) -> bytes:
    """Return a score in the one way that this project compares it."""
    return repr(float(text)).encode()


def _change(rows: dict[bytes, bytes], write: Write) -> None:
    args = [_bytes(value) for value in write.args]
    firsts, seconds = args[::2], args[1::2]
    if write.command == "HSET":
        rows.update(zip(firsts, seconds, strict=True))
    elif write.command == "ZADD":
        rows.update(
            (member, canonical_score(score)) for score, member in zip(firsts, seconds, strict=True)
        )
    elif write.command == "HINCRBY":
        rows[args[0]] = b"%d" % (int(rows.get(args[0], b"0")) + int(args[1]))
    elif write.command == "SET":
        rows[b""] = args[0]
    else:
        for name in args:
            rows.pop(name, None)


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
