"""What the exit code of `eventstore` says, and which error gives which code."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from eventstore.errors import (
    CommandFailed,
    Damaged,
    EmbeddedError,
    EventStoreError,
    InvalidInput,
    NotFound,
    Refused,
    SettingsError,
    Unavailable,
    WrongStore,
)


class Exit(IntEnum):
    """The exit codes; docs/cli.md and `eventstore --help` list them from `MEANINGS`."""

    OK = 0
    FINDING = 1
    USAGE = 2
    UNAVAILABLE = 3
    REFUSED = 4
    DAMAGED = 5
    UNFIT = 6
    OUTPUT = 74
    INTERRUPTED = 130
    PIPE_CLOSED = 141


MEANINGS: Final[dict[Exit, str]] = {
    Exit.OK: "done",
    Exit.FINDING: "a finding: doctor or a verify is not content, or there is no such thing",
    Exit.USAGE: "bad input: an argument, a file or a setting; nothing was written",
    Exit.UNAVAILABLE: "the store cannot answer now, or a projection is behind; try again",
    Exit.REFUSED: "the store answered and refused: a conflict, a name that is taken",
    Exit.DAMAGED: "the record is not what it must be; `eventstore log verify` shows more",
    Exit.UNFIT: "the server is unfit: another store's, too old, or set up so that it may lose data",
    Exit.OUTPUT: "stdout cannot be written: a full disk, say; what it holds is not whole",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
    Exit.PIPE_CLOSED: "whoever read the output stopped reading",
}

_CODES: Final[dict[type[EventStoreError], Exit]] = {
    NotFound: Exit.FINDING,
    InvalidInput: Exit.USAGE,
    SettingsError: Exit.USAGE,
    Unavailable: Exit.UNAVAILABLE,
    EmbeddedError: Exit.UNAVAILABLE,
    Refused: Exit.REFUSED,
    Damaged: Exit.DAMAGED,
    WrongStore: Exit.UNFIT,
    CommandFailed: Exit.UNFIT,
}


def exit_code(error: EventStoreError) -> Exit:
    """Return the exit code of an error: that of the nearest class that has one."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
