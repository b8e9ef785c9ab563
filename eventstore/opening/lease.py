"""Who verifies a store: one opener at a time, while the others wait for it.

Nothing rests on this lease: each script checks by itself that the partition is as its caller
saw it, so two that verify at once do the same work twice and no harm. Its value is
`token:beat`, as a consumer's; one that stands still for two lease times, by the watcher's own
clock, is taken over.
"""

from __future__ import annotations

import math
import secrets
import time
from typing import TYPE_CHECKING, Final

from eventstore.errors import Sealed, Unavailable
from eventstore.flow import Call, Flow, pause
from eventstore.scripts import script

if TYPE_CHECKING:
    from eventstore.keys import Keys

_PATIENCE_LEASES: Final = 2
_LONGEST_WAIT_LEASES: Final = 3
_TTL_LEASES: Final = 20
_POLL: Final = 0.05


class OpeningLease:
    """The lease of one attempt to open a store; `keys` are those of its first partition."""

    def __init__(self, keys: Keys, seconds: float) -> None:
        self._keys = keys
        self._seconds = seconds
        self._value = ""
        self._seen = ""
        self._since = self._started = time.monotonic()
        self._beaten = 0.0

    def take_or_wait(self) -> Flow[bool]:
        """Take the lease, or wait a moment for its holder; return whether it is held.

        Raises `Sealed` once the holder has been at it for three lease times.
        """
        now = time.monotonic()
        found = yield from self._change(self._seen_or_free(now), f"{secrets.token_hex(8)}:0")
        if found is None:
            return True
        if found != self._seen:
            self._seen, self._since = found, now
        if now - self._started > _LONGEST_WAIT_LEASES * self._seconds:
            raise Sealed(
                f"namespace {self._keys.namespace!r}: another process is comparing the log with "
                "the journal, or restoring it; try again when it has done so"
            )
        yield from pause(_POLL)
        return False

    def _seen_or_free(self, now: float) -> str:
        stood_still = self._seen and now - self._since >= _PATIENCE_LEASES * self._seconds
        return self._seen if stood_still else ""

    def beat(self) -> Flow[None]:
        """Say that the work goes on, if it is time to. A lease that was lost is not missed."""
        if not self._value or time.monotonic() - self._beaten < self._seconds / 3:
            return
        token, _, beat = self._value.partition(":")
        yield from self._change(self._value, f"{token}:{int(beat) + 1}")

    def release(self) -> Flow[None]:
        """Let go of the lease; what cannot be let go of now runs out by itself."""
        value, self._value = self._value, ""
        if value:
            try:
                yield from self._change(value, "")
            except Unavailable:
                return

    def _change(self, seen: str, value: str) -> Flow[str | None]:
        """Set the lease if it is as seen; return None, or the value found instead."""
        ttl = math.ceil(_TTL_LEASES * self._seconds * 1000)
        reply: list[bytes] = yield Call(
            script("lease"), (self._keys.opening,), (seen, value, ttl), list, control=True
        )
        if reply[0] == b"ok":
            self._value, self._beaten = value, time.monotonic()
            return None
        return reply[1].decode()
