"""Where the server of a home listens: in the home, or in the runtime directory if too deep."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from eventstore.embedded.home import Home

# The kernel's limit is 107 bytes on Linux and 103 on macOS.
MAX_PATH_BYTES = 100


def socket_path(home: Home) -> Path:
    """Return where the home's server listens, or would.

    A path in the runtime directory depends on the environment (a login session has one, a cron
    job has none), so the one that the server was started with is recorded in the home and wins.
    """
    direct = _direct(home)
    if _fits(direct):
        return direct
    try:
        return Path(os.fsdecode(_record(home).read_bytes()))
    except FileNotFoundError:
        return _in_runtime_directory(home)


def claim_socket_path(home: Home) -> Path:
    """Return where a server about to start shall listen, and record it.

    Only the holder of server.lock may call this. Raises `EmbeddedError` if the path is too long
    and the runtime directory is not a directory of this user alone.
    """
    direct = _direct(home)
    if _fits(direct):
        return direct
    path = _in_runtime_directory(home)
    _make_private(path.parent)
    if not _fits(path):
        raise EmbeddedError(
            f"the socket path {path} has over {MAX_PATH_BYTES} bytes; set XDG_RUNTIME_DIR or "
            "EVENTSTORE_HOME to a shorter path"
        )
    record = _record(home)
    draft = record.with_name(f"{record.name}.new")
    draft.write_bytes(os.fsencode(path))
    draft.replace(record)
    return path


def socket_url(path: Path) -> str:
    """Return the URL of a socket, as REDIS_URL takes it."""
    return f"unix://{quote(str(path))}"


def _direct(home: Home) -> Path:
    return home.path / "server.sock"


def _record(home: Home) -> Path:
    return home.path / "server.address"


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= MAX_PATH_BYTES


def _in_runtime_directory(home: Home) -> Path:
    name = hashlib.sha256(os.fsencode(home.path)).hexdigest()[:20]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    directory = (
        Path(runtime) / "eventstore"
        if runtime
        else Path(tempfile.gettempdir()) / f"eventstore-{os.geteuid()}"
    )
    return directory / f"{name}.sock"


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(
            f"cannot create {directory} for the server's socket: {error.strerror}; set "
            "XDG_RUNTIME_DIR to a directory of yours, or EVENTSTORE_HOME to a shorter path"
        ) from error
    # Anybody may create a name in a shared tmp, so what is there is looked at, not followed.
    status = directory.lstat()
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    if not ours or status.st_mode & 0o077:
        raise EmbeddedError(
            f"{directory} is not a directory of uid {os.geteuid()} alone (mode 0700); remove it, "
            "or set EVENTSTORE_HOME to a shorter path"
        )
