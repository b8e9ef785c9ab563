"""Which process holds a lock, by the pid that it recorded there."""

from __future__ import annotations

import os
from pathlib import Path

from eventstore.embedded.locks import is_locked

_OWN_DESCRIPTORS = Path("/proc/self/fd")


def holder_pid(path: Path) -> int | None:
    """Return the process that holds a lock, or None if nobody does or it cannot be told.

    The record may be an earlier holder's, whose number another process has by now: where there
    is a /proc, the recorded process must have the file open.
    """
    if not is_locked(path):
        return None
    recorded = path.read_text()
    if not recorded.isdigit():
        return None
    pid = int(recorded)
    return pid if _has_open(pid, path) else None


def _has_open(pid: int, path: Path) -> bool:
    if not _OWN_DESCRIPTORS.is_dir():
        return True
    wanted = path.stat()
    try:
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    return any(_is_file(descriptor, wanted) for descriptor in descriptors)


def _is_file(descriptor: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(descriptor.stat(), wanted)
    except OSError:
        return False
