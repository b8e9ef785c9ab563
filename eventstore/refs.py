"""Refs: 32 lowercase hex digits that name one event for ever."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time

from eventstore.errors import InvalidEvent
from eventstore.shown import shown

_REF = re.compile(r"[0-9a-f]{32}")
_COUNTER_BITS = 12 + 14  # rand_a and the head of rand_b make one 26-bit counter


class _Sequence:
    """UUIDv7 values that rise strictly within a process (RFC 9562, 6.2 method 1)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = 0
        self._counter = 0

    def next(self) -> int:
        with self._lock:
            now = time.time_ns() // 1_000_000
            if now > self._milliseconds:
                self._milliseconds = now
                # Half the range stays free for events of the same millisecond.
                self._counter = int.from_bytes(os.urandom(4), "big") >> (33 - _COUNTER_BITS)
            else:
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._milliseconds += 1
                    self._counter = 0
            return _layout(self._milliseconds, self._counter, os.urandom(6))


def _layout(milliseconds: int, counter: int, tail: bytes) -> int:
    high = milliseconds << 16 | 0x7000 | counter >> 14
    low = 0b10 << 62 | (counter & 0x3FFF) << 48 | int.from_bytes(tail, "big")
    return high << 64 | low


_sequence = _Sequence()
os.register_at_fork(after_in_child=_sequence.__init__)  # type: ignore[misc]


def generate_ref() -> str:
    """Return a new ref: a UUIDv7 as 32 hex digits, rising strictly within this process."""
    return f"{_sequence.next():032x}"


def derived_ref(*parts: str) -> str:
    """Return the ref that follows from `parts`: the same parts always give the same ref.

    A UUIDv8 (RFC 9562, 5.8) over sha256 of the length-prefixed parts, so that no two lists
    of parts run together.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    value = int.from_bytes(digest.digest()[:16], "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return f"{value:032x}"


def check_ref(value: object, field: str = "ref") -> str:
    """Return `value` if it is a ref, else raise `InvalidEvent` naming `field`."""
    if isinstance(value, str) and _REF.fullmatch(value):
        return str.__str__(value)
    raise InvalidEvent(field, f"{shown(value)} is not a ref; a ref is 32 lowercase hex digits")
