"""A copy of the sample store to be damaged, and the ways to damage it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from support.checker import check_store
from support.checker_log import prefix_of
from support.checker_sample import SESSIONS, Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import redis

SESSION = SESSIONS[0]
Fields: TypeAlias = dict[bytes, bytes]


class Copy:
    """A copy of the sample store, seen from the partition of one of its sessions."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.redis: redis.Redis = sample.store.client
        self.root: Path = sample.store.payload_root
        names = [prefix_of(sample.store.namespace, p) for p in range(sample.store.partitions)]
        (self.prefix,) = [n for n in names if self.redis.exists(n + "session:" + SESSION)]

    def key(self, rest: str) -> str:
        """Return a key of the partition."""
        return self.prefix + rest

    def entries(self) -> list[tuple[bytes, Fields]]:
        """Return the log of the partition."""
        found: Any = self.redis.xrange(self.key("stream:artifacts"))
        return list(found)

    def write_log(self, entries: list[tuple[bytes, Fields]]) -> None:
        """Put another log in place of the partition's."""
        self.redis.unlink(self.key("stream:artifacts"))
        for entry_id, fields in entries:
            values: Any = fields
            self.redis.xadd(self.key("stream:artifacts"), values, id=entry_id)

    def problems(self, *, caught_up: bool = True) -> list[str]:
        """Return what the checker finds."""
        return check_store(*self.sample, caught_up=caught_up)


Damage: TypeAlias = "Callable[[Copy], object]"


def view(family: str) -> str:
    """Return the key of one of the session's read models."""
    return f"artifacts:{SESSION}:{family}"


def entry_gone(number: int) -> Damage:
    """Take an event out of the log."""

    def damage(store: Copy) -> None:
        entries = store.entries()
        del entries[number]
        store.write_log(entries)

    return damage


def entry_field(number: int, name: str, value: str) -> Damage:
    """Change a field of an event."""

    def damage(store: Copy) -> None:
        entries = store.entries()
        entries[number][1][name.encode()] = value.encode()
        store.write_log(entries)

    return damage


def entry_header(number: int, change: dict[str, Any]) -> Damage:
    """Change what an event says in its header."""

    def damage(store: Copy) -> None:
        entries = store.entries()
        header = {**msgspec.msgpack.decode(entries[number][1][b"header"]), **change}
        entries[number][1][b"header"] = msgspec.msgpack.encode(header)
        store.write_log(entries)

    return damage


def last_entry_twice(store: Copy) -> None:
    """Append the last event again."""
    store.write_log([*store.entries(), (b"0-*", store.entries()[-1][1])])


def told(number: int, **change: Any) -> Damage:
    """Let a producer have been told something else of an event."""

    def damage(store: Copy) -> None:
        acknowledged = store.sample.acknowledged
        acknowledged[number] = acknowledged[number]._replace(**change)

    return damage


def field_set(key: str, name: str, value: str) -> Damage:
    """Set a field of a hash."""
    return lambda store: store.redis.hset(store.key(key), name, value)


def field_gone(key: str) -> Damage:
    """Remove a field of a hash."""

    def damage(store: Copy) -> None:
        names: Any = store.redis.hkeys(store.key(key))
        store.redis.hdel(store.key(key), min(names))

    return damage


def row_changed(key: str, change: dict[str, Any]) -> Damage:
    """Change a JSON row of a hash."""

    def damage(store: Copy) -> None:
        rows: Any = store.redis.hgetall(store.key(key))
        name, value = min(rows.items())
        row = {**msgspec.json.decode(value), **change}
        store.redis.hset(store.key(key), name, msgspec.json.encode(row))

    return damage


def member_gone(key: str) -> Damage:
    """Remove a member of a sorted set."""
    return lambda store: store.redis.zpopmin(store.key(key))


def member_moved(key: str) -> Damage:
    """Change the score of a member of a sorted set."""

    def damage(store: Copy) -> None:
        members: Any = store.redis.zrange(store.key(key), 0, 0)
        store.redis.zincrby(store.key(key), 1, members[0])

    return damage


def key_gone(key: str) -> Damage:
    """Remove a key."""
    return lambda store: store.redis.unlink(store.key(key))


def behind(group: str) -> Damage:
    """Put a group's checkpoint one event back, with the right chain."""

    def damage(store: Copy) -> None:
        entries = store.entries()
        before = entries[-2][1][b"chain"].decode()
        store.redis.hset(store.key("checkpoints"), group, f"1:{len(entries) - 1}:{before}")

    return damage


def file_changed(pattern: str, change: Callable[[bytes], bytes | None]) -> Damage:
    """Change the bytes of a payload file, or remove it."""

    def damage(store: Copy) -> None:
        file = min(store.root.glob(pattern))
        data = change(file.read_bytes())
        if data is None:
            file.unlink()
        else:
            file.write_bytes(data)

    return damage


def digest_at_another_position(store: Copy) -> None:
    """Raise the position that the payload group noted for a large payload."""
    key = store.key("payload:digests")
    names: Any = store.redis.hkeys(key)
    store.redis.hincrby(key, min(names), 1)


def file_added(path: str, data: bytes) -> Damage:
    """Add a file to the payload store."""
    return lambda store: (store.root / path).write_bytes(data)
