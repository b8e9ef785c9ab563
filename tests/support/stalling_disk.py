"""A disk that stalls under a server: its thread that syncs the append-only file is held up.

Under everysec a server goes on acknowledging meanwhile, for about two seconds, and writes nothing
to the file. Killed then, it has lost what it acknowledged: what a slow disk does to it.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.server import PrivateServer

_ATTACH = 16
# waitpid for a thread of another process.
_WALL = 0x40000000
_SYNCING = "bio_aof"


def stall(server: PrivateServer) -> int:
    """Hold the thread that syncs where it is; return its id, for `kill_stalled`."""
    tasks = Path(f"/proc/{server.pid}/task")
    (thread,) = (
        int(task.name)
        for task in tasks.iterdir()
        # Redis 7.0 names it `bio_aof_fsync`.
        if (task / "comm").read_text().startswith(_SYNCING)
    )
    library = ctypes.CDLL(None, use_errno=True)
    library.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    library.ptrace.restype = ctypes.c_long
    if library.ptrace(_ATTACH, thread, None, None):
        error = ctypes.get_errno()
        raise OSError(error, f"cannot hold thread {thread}: {os.strerror(error)}")
    os.waitpid(thread, _WALL)
    return thread


def kill_stalled(server: PrivateServer, thread: int) -> None:
    """Kill -9 a server of which a thread is held."""
    os.kill(server.pid, 9)
    # Whoever holds a thread has to take note of its end before the process is gone.
    os.waitpid(thread, _WALL)
    server.kill()
