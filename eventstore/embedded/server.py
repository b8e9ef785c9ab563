"""The server process of a home: its command line, its start, and what its log says of its end."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from eventstore.embedded.binary import find_binary
from eventstore.embedded.locks import FileLock
from eventstore.embedded.sockets import claim_socket_path
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from eventstore.embedded.home import Home
    from eventstore.embedded.options import SupervisorOptions

# `is_locked` holds a lock for an instant; a server holds it for its life.
_PATIENCE = 0.5
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_FREE_SOME = "free some disk, and open the store again"
_NEWER = "run the server that wrote it"
# Lines by which a server says why starting it again changes nothing: sign, meaning, remedy. What
# has no remedy is damage: its data is moved aside. The first that is found counts.
_LASTING = (
    ("No space left on device", "the disk is full", _FREE_SOME),
    ("Short write while writing to the AOF", "the disk is full or over quota", _FREE_SOME),
    ("Can't recover from AOF write error", "the append-only file cannot be written", _FREE_SOME),
    ("Can't handle RDB format", "the data is a newer server's", _NEWER),
    ("error: unknown command", "the append-only file has a command unknown here", _NEWER),
    ("Bad file format reading the append only file", "the append-only file is damaged", ""),
    ("Unexpected end of file reading the append", "the append-only file is cut off", ""),
    ("AOF MANIFEST FILE ERROR", "the manifest of the append-only file is damaged", ""),
    ("Unable to obtain the AOF file", "a part of the append-only file is missing", ""),
    ("Wrong RDB checksum", "the base of the append-only file is damaged", ""),
    ("Internal error in RDB reading", "the base of the append-only file is damaged", ""),
)


class End(NamedTuple):
    """An end that starting again would only repeat: the meaning, the log's line, what to do."""

    meaning: str
    line: str
    remedy: str

    @property
    def is_damage(self) -> bool:
        """Whether the data is damaged; then there is no remedy but to move it aside."""
        return not self.remedy

    @property
    def is_in_base(self) -> bool:
        """Whether the damage is in the base of the append-only file, a snapshot in RDB format."""
        return "RDB" in self.line or ".base." in self.line

    @property
    def is_cut(self) -> bool:
        """Whether the server came to the end of the file in the middle of a command."""
        return "Unexpected end of file" in self.line

    def __str__(self) -> str:
        return f"{self.meaning} ({self.line}); nothing was changed; {self.remedy}"


def start_server(home: Home, options: SupervisorOptions) -> subprocess.Popen[bytes] | None:
    """Start the server of a home and return its process, or None if one lives already.

    The server holds server.lock from before its first instruction to its end. It listens on the
    home's socket alone, has a session of its own (Ctrl-C does not reach it) and no other
    descriptor of ours. Every write is on disk before it is acknowledged. Raises `EmbeddedError`
    if there is no server program, too little disk, or no place for the socket. For a process
    without threads: code of ours runs between fork and exec.
    """
    with FileLock(home.server_lock, inherited=True) as lock:
        if not lock.try_acquire(_PATIENCE):
            return None
        _require_disk(home, options.min_free_bytes)
        command = _command(home, find_binary(), claim_socket_path(home), options)
        try:
            return subprocess.Popen(
                command,
                cwd=home.data,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
                preexec_fn=lock.record_pid,
            )
        except OSError as error:
            raise EmbeddedError(
                f"cannot run {command[0]}: {error.strerror}; install another server, or set "
                "REDIS_URL to a server of your own"
            ) from error


def explain_end(log: str) -> End | None:
    """Return what a server's log says about an end that starting again would only repeat."""
    for sign, meaning, remedy in _LASTING:
        for line in log.splitlines():
            if sign in line:
                return End(meaning, line.strip(), remedy)
    return None


def default_maxmemory() -> int:
    """Return half of the memory that this process may use, in bytes."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in _CGROUP_LIMITS:
        text = path.read_text().strip() if path.exists() else "max"
        if text.isdigit():
            limits.append(int(text))
    return min(limits) // 2


def _require_disk(home: Home, needed: int) -> None:
    free = shutil.disk_usage(home.data).free
    if free < needed:
        raise EmbeddedError(
            f"the disk of {home.path} has {free:,} bytes free, the server needs {needed:,} to "
            "start; free some, or set EVENTSTORE_HOME to another disk"
        )


def _command(home: Home, binary: Path, socket: Path, options: SupervisorOptions) -> list[str]:
    maxmemory = default_maxmemory() if options.maxmemory is None else options.maxmemory
    return [
        str(binary),
        *("--port", "0"),
        *("--unixsocket", str(socket)),
        *("--unixsocketperm", "700"),
        *("--dir", str(home.data)),
        *("--logfile", str(home.server_log)),
        *("--loglevel", "notice"),
        *("--daemonize", "no"),
        *("--save", ""),
        *("--appendonly", "yes"),
        *("--appendfsync", "always"),
        *("--no-appendfsync-on-rewrite", "no"),
        # A damaged length looks like a cut-off end too, and the server would drop all behind it.
        *("--aof-load-truncated", "no"),
        *("--maxmemory", str(maxmemory)),
        *("--maxmemory-policy", "noeviction"),
    ]
