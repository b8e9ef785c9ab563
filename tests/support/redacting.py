"""Hooks of redaction for tests, and everything that a server holds of a store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from eventstore.async_overrides import async_write_override
from eventstore.overrides import write_override

if TYPE_CHECKING:
    import redis
    from support.buses import BusUnderTest


class Hook:
    """A hook that a test sets; it hands on what it is given until then."""

    def __init__(self) -> None:
        self.does: Any = lambda header, payload: (header, payload)

    def __call__(self, header: dict[str, Any], payload: Any) -> Any:
        return self.does(header, payload)


def write_patch(tested: BusUnderTest, patch: dict[str, Any], ref: str | None = None) -> bool:
    """Patch the override of agent "a" in session "s", by the form of the bus."""
    if tested.portal is None:
        return write_override(tested.bus, "a", "s", patch, ref=ref)
    return tested.portal.call(
        partial(async_write_override, tested.awaited, "a", "s", patch, ref=ref)
    )


def held_by(client: redis.Redis, namespace: str) -> list[str]:
    """Return everything that the keys of a namespace hold, each in one text."""
    keys = client.scan_iter(match=f"{{{namespace}:*", count=1000)
    return [_all_of(client, key) for key in keys]


def _all_of(client: redis.Redis, key: bytes) -> str:
    readers: dict[Any, Any] = {
        b"string": lambda: client.get(key),
        b"hash": lambda: client.hgetall(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"list": lambda: client.lrange(key, 0, -1),
        b"stream": lambda: client.xrange(key),
    }
    return repr(readers[client.type(key)]())
