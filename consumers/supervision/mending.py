"""Data that a server cannot load, made ready for it: moved aside, never deleted, and said aloud."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from eventstore.embedded.append_only import DIRECTORY, cut_torn_end
from eventstore.embedded.damage import finish_setting_aside, is_damaged, set_aside
from eventstore.embedded.locks import FileLock

if TYPE_CHECKING:
    from eventstore.embedded.home import Home
    from eventstore.embedded.server import End

# `is_locked` holds a lock for an instant; a server holds it for its life.
_PATIENCE = 0.5

_log = logging.getLogger(__name__)


def make_ready(home: Home) -> None:
    """See to the data before a start: what was cut short, and what a server would write over.

    Does nothing while a server lives. Raises `EmbeddedError` if the data cannot be moved.
    """
    with FileLock(home.server_lock) as lock:
        if not lock.try_acquire(_PATIENCE):
            return
        finish_setting_aside(home)
        problem = is_damaged(home)
        if problem is not None:
            _move(home, problem)


def mend(home: Home, end: End) -> None:
    """Let the next start find data that loads, once a server has ended at what it found.

    A last command that was not written to its end is cut off, as the server would: nobody was
    told that it is there. All else is moved aside. Raises `EmbeddedError` if it cannot be moved.
    """
    with FileLock(home.server_lock) as lock:
        if not lock.try_acquire(_PATIENCE):
            return
        cut = cut_torn_end(home.data / DIRECTORY) if end.is_cut else None
        if cut is None:
            _log.warning("the server of %s says: %s", home.path, end.line)
            _move(home, end.meaning, is_base_lost=end.is_in_base)
        else:
            _log.warning(
                "the append-only file of %s ended in %d bytes of a command that was not written "
                "to its end, and was never acknowledged; they are cut off",
                home.path,
                cut,
            )


def _move(home: Home, problem: str, *, is_base_lost: bool = False) -> None:
    damage = set_aside(home, problem, is_base_lost=is_base_lost)
    started = "on what is whole of it" if damage.kept else "empty"
    _log.warning(
        "DATA OF %s IS DAMAGED: %s. All of it is kept in %s. The server is started %s; stores "
        "come back from their journals as they are opened, and one that lacks events is not "
        "opened before somebody says so: `eventstore repair --accept-loss`",
        home.path,
        problem,
        damage.where,
        started,
    )
