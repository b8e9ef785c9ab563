"""The bus of a process: one for all its blocking callers, made when the first of them asks."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from eventstore.bus import EventBus
from eventstore.redact_hook import process_hook
from eventstore.settings import settings
from eventstore.store import EventStore

if TYPE_CHECKING:
    import redis

    from eventstore.health_checks import Health
    from eventstore.redact_hook import Redact


class _Current:
    """The bus of this process: one, whichever thread asks first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bus: EventBus | None = None

    def get(self) -> EventBus:
        with self._lock:
            if self._bus is None:
                self._bus = EventBus(EventStore(settings()), redact=process_hook.take())
            return self._bus

    def reset(self) -> None:
        with self._lock:
            bus, self._bus = self._bus, None
        process_hook.reset()
        if bus is not None:
            bus.close()


_current = _Current()
os.register_at_fork(after_in_child=_current.__init__)  # type: ignore[misc]
os.register_at_fork(after_in_child=process_hook.renew_lock)


def get_bus(*, redact: Redact | None = None) -> EventBus:
    """Return the bus of this process, built from `settings()` at the first call.

    With no Redis configured it uses a private server in `.eventstore/`, started if need be. A
    forked child gets a bus of its own. `redact`, given to the first call, holds for every bus that
    this process makes by itself, and in forked children; see `EventBus`. Raises `InvalidInput`
    if there is a bus without it.
    """
    process_hook.offer(redact)
    return _current.get()


def get_redis() -> redis.Redis:
    """Return the pooled client of this process for the store's server; a new one after a fork."""
    return get_bus().redis


def health() -> Health:
    """Return what is well and what is not with this process's store; see `EventBus.health`."""
    return get_bus().health()


def reset_bus() -> None:
    """Close the bus of this process; the next `get_bus()` reads the settings again.

    The hook for redaction is forgotten with it.
    """
    _current.reset()
