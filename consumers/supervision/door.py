"""Whether clients have the store open, and closing it behind the last one."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from eventstore.embedded.locks import FileLock

if TYPE_CHECKING:
    from types import TracebackType

    from eventstore.embedded.home import Home

_MAX_INTERVAL = 1.0
_START_LOCK_PATIENCE = 5.0

_log = logging.getLogger(__name__)


class ClientDoor:
    """The supervisor's side of use.lock and start.lock, both opened again when the context ends.

    A client that comes while the door is closed waits for it, then finds no server and starts
    anew.
    """

    def __init__(self, home: Home, linger: float) -> None:
        self._home = home
        self._interval = min(_MAX_INTERVAL, linger)
        self._start = FileLock(home.start_lock)
        self._use = FileLock(home.use_lock)
        self._last_seen = time.monotonic()
        self._mark = self._last_change()
        self._next_look = self._last_seen

    def __enter__(self) -> ClientDoor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._start.release()
        self._use.release()

    def seconds_empty(self, now: float) -> float:
        """Return for how many seconds no client has had the store open.

        Looks once a second at most, so it may be a second behind.
        """
        if now >= self._next_look:
            self._next_look = now + self._interval
            if self.close(now):
                self._open()
        return now - self._last_seen

    def close(self, now: float) -> bool:
        """Close the door unless a client is inside or came since the last look.

        Closed, it keeps clients from entering until this context ends.
        """
        if not self._start.try_acquire():
            # Somebody is starting something: a client, or `down`.
            self._last_seen = now
            return False
        mark = self._last_change()
        if mark == self._mark and self._use.try_acquire():
            return True
        self._start.release()
        self._mark = mark
        self._last_seen = now
        return False

    def hold_start(self) -> None:
        """Take start.lock for a stop that does not wait for clients to leave.

        One that is frozen while it holds the lock does not keep the store from stopping: what
        prevents a second server is server.lock.
        """
        if self._start.held:
            return
        try:
            if not self._start.try_acquire(_START_LOCK_PATIENCE):
                _log.warning("%s is held; stopping without it", self._start.path)
        except FileNotFoundError:
            _log.warning("%s was removed; stopping without it", self._start.path)

    def _open(self) -> None:
        self._use.release()
        self._start.release()

    def _last_change(self) -> int | None:
        """Return when a client last came or left in order, as use.lock's modification time."""
        try:
            return self._home.use_lock.stat().st_mtime_ns
        except FileNotFoundError:
            return None
