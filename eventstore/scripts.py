"""The Lua scripts that this package runs, read once from package data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Final

from eventstore.resources import lua_source

RESIDENT: Final = ("append", "apply", "heartbeat", "lease")
"""The scripts in constant use: whoever opens a store sees that the server has them."""


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua script: its verb, source and SHA-1, by which the server knows it."""

    name: str
    source: str
    sha: str


@cache
def script(name: str) -> Script:
    """Return the script `lua/<name>.lua`; read from disk at its first use in a process."""
    source = lua_source(name)
    # The server names scripts by SHA-1; nothing here relies on it for security.
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def resident_scripts() -> tuple[Script, ...]:
    """Return the scripts that a server of an opened store has."""
    return tuple(script(name) for name in RESIDENT)
