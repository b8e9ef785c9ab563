"""Log files of a home: their ends, for messages, and a bound on their size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_LOG_BYTES = 8 << 20
_TAIL_BYTES = 16384


def size(path: Path) -> int:
    """Return the bytes of a file, 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0


def read_from(path: Path, offset: int) -> str:
    """Return what a log holds from a byte offset on, its last 16 KiB at most."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(offset, path.stat().st_size - _TAIL_BYTES))
        return log.read().decode(errors="replace")


def tail(path: Path, lines: int = 8) -> str:
    """Return the last lines of a log, or a note that there are none."""
    found = read_from(path, 0).splitlines()[-lines:]
    return "\n".join(found) if found else f"({path} is empty)"


def rotate(path: Path) -> None:
    """Set a log of over 8 MiB aside as `<name>.old`, in place of an earlier one."""
    if size(path) > MAX_LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.old"))
