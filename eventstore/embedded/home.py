"""The data directory of an embedded store: where it is, and where things are in it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from eventstore.embedded.filesystems import require_local
from eventstore.errors import EmbeddedError

DIRECTORY_NAME = ".eventstore"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Home:
    """A data directory, by its real path; the layout is this class and nothing else."""

    path: Path

    @property
    def data(self) -> Path:
        """The server's working directory, holding its append-only files."""
        return self.path / "data"

    @property
    def data_ready(self) -> Path:
        """What is to be the server's working directory once the damaged one is moved aside."""
        return self.path / "data.ready"

    @property
    def damaged(self) -> Path:
        """Damaged data, a directory each named by its moment; nothing removes it."""
        return self.path / "damaged"

    @property
    def payloads(self) -> Path:
        """Root of the payload store."""
        return self.path / "payloads"

    @property
    def start_lock(self) -> Path:
        """Held while a supervisor is started, or a server started or stopped."""
        return self.path / "start.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor for its life; contains its pid."""
        return self.path / "supervisor.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the server for its life; contains its pid."""
        return self.path / "server.lock"

    @property
    def worker_lock(self) -> Path:
        """Held by the worker for its life; contains its pid."""
        return self.path / "worker.lock"

    @property
    def use_lock(self) -> Path:
        """Shared by every client from open to exit."""
        return self.path / "use.lock"

    @property
    def server_log(self) -> Path:
        """What the server logs, at level notice."""
        return self.path / "server.log"

    @property
    def supervisor_log(self) -> Path:
        """What a supervisor in the background logs."""
        return self.path / "supervisor.log"

    @property
    def worker_log(self) -> Path:
        """Standard output and error of the worker."""
        return self.path / "worker.log"

    @property
    def supervisor_error(self) -> Path:
        """Why the last supervisor gave up; absent if it did not."""
        return self.path / "supervisor.error"

    @property
    def metrics_address(self) -> Path:
        """The address of the worker's /metrics, written by the worker."""
        return self.path / "metrics"


def locate(configured: Path | None, cwd: Path | None = None) -> Path:
    """Return the data directory to use, which need not exist.

    `configured` (EVENTSTORE_HOME) if given, else the nearest `.eventstore/` in `cwd` (default:
    the working directory) or a parent of it, else `cwd/.eventstore`.
    """
    if configured is not None:
        return configured.expanduser().absolute()
    start = (cwd or Path.cwd()).absolute()
    for directory in (start, *start.parents):
        candidate = directory / DIRECTORY_NAME
        if candidate.is_dir():
            return candidate
    return start / DIRECTORY_NAME


def open_home(path: Path) -> Home:
    """Return the home at `path`, created with mode 0700 if it is missing.

    Creation is said once, as a warning of this module's logger, which goes to standard error
    unless the program configures logging. Raises `EmbeddedError` if the directory is not ours,
    can be written by others, or lies on a network file system.
    """
    created = _create(path)
    home = Home(path.resolve())
    _require_private(home.path)
    require_local(home.path)
    for directory in (home.data, home.payloads):
        directory.mkdir(mode=0o700, exist_ok=True)
    if created:
        # Records of agent runs do not belong in the repository they happen to lie in.
        (home.path / ".gitignore").write_text("*\n")
        _log.warning("created the data directory %s", home.path)
    return home


def _create(path: Path) -> bool:
    try:
        path.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if path.is_dir():
            return False
        raise EmbeddedError(
            f"{path} is not a directory; move it away, or set EVENTSTORE_HOME to another path"
        ) from None
    except OSError as error:
        raise EmbeddedError(
            f"cannot create the data directory {path}: {error.strerror}; "
            "set EVENTSTORE_HOME to a directory that you can write"
        ) from error
    return True


def _require_private(path: Path) -> None:
    status = path.stat()
    if os.geteuid() not in (0, status.st_uid):
        raise EmbeddedError(
            f"the data directory {path} belongs to uid {status.st_uid}, not to uid "
            f"{os.geteuid()}; set EVENTSTORE_HOME to a directory of your own"
        )
    if status.st_mode & 0o022:
        raise EmbeddedError(
            f"the data directory {path} can be written by other users; `chmod go-w` it"
        )
