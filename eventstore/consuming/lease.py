"""Leases: who consumes a group's events in a partition.

A lease only saves work; that every event takes effect once rests on the checkpoint. Its value is
`token:beat`. The holder raises the beat; a contender that sees one value stand still for two
lease times of its own monotonic clock takes the lease by compare-and-set, so no wall clock
decides. The TTL only collects leases that nobody wants any more.
"""

from __future__ import annotations

import math
import os
import re
import secrets
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from eventstore.flow import Call, as_is, call
from eventstore.scripts import script

if TYPE_CHECKING:
    from eventstore.consuming.access import StoreAccess

BEATS_PER_LEASE: Final = 3
PATIENCE_LEASES: Final = 2
_TTL_LEASES: Final = 20
_NOT_IN_HOSTS: Final = re.compile(r"[^A-Za-z0-9.-]")


def new_token() -> str:
    """Return a name that nobody has had: `<host>/<pid>/<random>` of this process."""
    host = _NOT_IN_HOSTS.sub("-", socket.gethostname())
    return f"{host}/{os.getpid()}/{secrets.token_hex(8)}"


def owner_of(value: str) -> str | None:
    """Return who holds a lease of this value, as `<host>/<pid>`; None for nobody."""
    token = value.rpartition(":")[0]
    return token.rpartition("/")[0] or token or None


@dataclass(slots=True)
class Watch:
    """What a contender has seen of one lease, by its own clock."""

    patience: float
    value: str = ""
    since: float = math.inf

    def look(self, value: str, now: float) -> None:
        """Take note of the lease's value ('' for none) at a moment."""
        if value != self.value:
            self.value, self.since = value, now

    def may_take(self, now: float) -> bool:
        """Return whether nobody holds the lease, or its holder has stood still too long."""
        return self.value == "" or now - self.since >= self.patience


class Lease:
    """One lease, seen from one worker: watched while it is another's, or held.

    `token` is '' unless held; every acquisition has a new one. Before `sure_until`, a moment of
    the monotonic clock, no contender has taken it over, short of one that seizes it.
    """

    def __init__(self, access: StoreAccess, key: str, seconds: float) -> None:
        self.token = ""
        self.sure_until = -math.inf
        self.watch = Watch(PATIENCE_LEASES * seconds)
        self._access = access
        self._seconds = seconds
        self._key = key
        self._ttl = math.ceil(_TTL_LEASES * seconds * 1000)
        self._beat = 0
        # A beat and a release in flight together would each expect the other's value.
        self._changing = anyio.Lock()

    @property
    def value(self) -> str:
        """What this worker set: `token:beat`."""
        return f"{self.token}:{self._beat}"

    def look_call(self) -> Call[str]:
        """Return the command that reads the lease's value, '' for none."""
        return Call("GET", (self._key,), (), _text)

    async def acquire(self, now: float) -> bool:
        """Take the lease if the watch allows it and it still is as seen; return whether held."""
        if not self.watch.may_take(now):
            return False
        token, asked = new_token(), time.monotonic()
        current = await self._change(self.watch.value, f"{token}:0")
        if current is not None:
            self.watch.look(current, now)
            return False
        self.token, self._beat = token, 0
        self._be_sure_from(asked)
        return True

    async def beat(self) -> bool:
        """Raise the beat; return False, and hold it no longer, if it is another's by now."""
        async with self._changing:
            if not self.token:
                return False
            asked = time.monotonic()
            current = await self._change(self.value, f"{self.token}:{self._beat + 1}")
            if current is not None:
                self.drop()
                return False
            self._beat += 1
            self._be_sure_from(asked)
            return True

    async def release(self) -> None:
        """Let go of the lease, so that another worker need not wait."""
        async with self._changing:
            if self.token:
                value = self.value
                self.drop()
                await self._change(value, "")

    def drop(self) -> None:
        """Hold the lease no longer; it is another's, or will be."""
        self.token = ""
        self.sure_until = -math.inf
        self.watch = Watch(self.watch.patience)

    def _be_sure_from(self, asked: float) -> None:
        # A contender sees the new value after it was asked for, and waits from then on.
        self.sure_until = asked + PATIENCE_LEASES * self._seconds

    async def _change(self, seen: str, value: str) -> str | None:
        """Set the lease if it is as seen; return None, or the value found instead."""
        step: Call[list[bytes]] = Call(
            script("lease"), (self._key,), (seen, value, self._ttl), as_is
        )
        outcome, *found = await self._access.run(call(step))
        return None if outcome == b"ok" else found[0].decode()


def _text(reply: bytes | None) -> str:
    return "" if reply is None else reply.decode()
