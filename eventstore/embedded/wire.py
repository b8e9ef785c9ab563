"""The few words a supervisor has for a server, in Redis' inline protocol.

The supervisor and the waiting client ask thousands of times and must stay small, so this speaks
over a bare socket and needs no client library.
"""

from __future__ import annotations

import enum
import re
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 65536
_PID = re.compile(rb"^process_id:(\d+)", re.MULTILINE)


class Answer(enum.Enum):
    """What a server says to PING."""

    READY = "ready"
    LOADING = "loading its data"
    SILENT = "silent"
    ABSENT = "not there"


def ping(path: Path, timeout: float) -> Answer:
    """Ask the server on a socket whether it serves, waiting `timeout` seconds at most.

    ABSENT: nobody listens on the socket. SILENT: somebody does, and does not answer as a ready
    or a loading server would.
    """
    try:
        reply = _exchange(path, b"PING\r\n", timeout)
    except (FileNotFoundError, ConnectionRefusedError):
        return Answer.ABSENT
    except OSError:
        return Answer.SILENT
    if reply.startswith(b"+PONG"):
        return Answer.READY
    return Answer.LOADING if reply.startswith(b"-LOADING") else Answer.SILENT


def process_id(path: Path, timeout: float) -> int | None:
    """Return the pid of the server that answers on a socket, or None if none does."""
    try:
        reply = _exchange(path, b"INFO server\r\n", timeout)
    except OSError:
        return None
    found = _PID.search(reply)
    return int(found.group(1)) if found else None


def shut_down(path: Path, timeout: float) -> bool:
    """Ask a server to finish its append-only file and end; return whether it took the word.

    NOSAVE refers to RDB snapshots, which an embedded server has none of; with it, a server that
    is busy in a script ends too.
    """
    try:
        # The answer is the end of the connection; an error line means refused.
        return not _exchange(path, b"SHUTDOWN NOSAVE\r\n", timeout)
    except OSError:
        return False


def _exchange(path: Path, command: bytes, timeout: float) -> bytes:
    """Send one inline command and return its whole reply: a line, or a bulk string."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(command)
        reply = b""
        while not _is_whole(reply):
            chunk = connection.recv(_CHUNK)
            if not chunk:
                break
            reply += chunk
        return reply


def _is_whole(reply: bytes) -> bool:
    line, end, rest = reply.partition(b"\r\n")
    if not end:
        return False
    return not line.startswith(b"$") or len(rest) >= int(line[1:]) + 2
