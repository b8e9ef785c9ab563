"""Running one Lua script on a real server, with its arguments as its header lays them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eventstore.scripts import script

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import redis

    from eventstore.keys import Keys


@dataclass(frozen=True)
class LuaRun:
    """A server, and the keys of a partition that only one test uses."""

    client: redis.Redis
    keys: Keys

    def run(self, name: str, keys: Sequence[str], args: Sequence[object]) -> list[Any]:
        """Run a script; its error is raised, its reply has text where it is UTF-8."""
        values = [value if isinstance(value, bytes) else str(value) for value in args]
        reply = self.client.eval(script(name).source, len(keys), *keys, *values)
        assert isinstance(reply, list)
        return [value.decode() for value in reply]

    def snapshot(self) -> dict[bytes, tuple[bytes, Any]]:
        """Return every key of the partition with its type and value."""
        pattern = self.keys.prefix + "*"
        return {key: self._value(key) for key in self.client.scan_iter(match=pattern, count=1000)}

    def set_hash(self, key: str, fields: Mapping[str, int | str]) -> None:
        """Set fields of a hash."""
        self.client.hset(key, items=[value for pair in fields.items() for value in pair])

    def hash(self, key: str) -> dict[str, str]:
        """Return a hash as text."""
        found: dict[bytes, bytes] = self.client.execute_command("HGETALL", key)
        return {name.decode(): value.decode() for name, value in found.items()}

    def entry(self, position: int) -> dict[str, bytes]:
        """Return the fields of the log's entry at a position."""
        entry_id = f"0-{position}"
        entries: list[tuple[bytes, dict[bytes, bytes]]] = self.client.execute_command(
            "XRANGE", self.keys.stream, entry_id, entry_id
        )
        [(_, fields)] = entries
        return {name.decode(): value for name, value in fields.items()}

    def _value(self, key: bytes) -> tuple[bytes, Any]:
        kind: bytes = self.client.execute_command("TYPE", key)
        command = {
            b"string": ("GET", key),
            b"hash": ("HGETALL", key),
            b"zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
            b"list": ("LRANGE", key, 0, -1),
            b"stream": ("XRANGE", key, "-", "+"),
        }[kind]
        value = self.client.execute_command(*command)
        if kind == b"stream":
            value = (value, self.client.execute_command("XINFO GROUPS", key))
        return kind, value
