"""The branches of the tree of errors in `eventstore.errors`, which says what is on each."""

from __future__ import annotations


class EventStoreError(Exception):
    """Base of all errors of this project."""


class InvalidInput(EventStoreError, ValueError):
    """An argument was refused before anything was written."""


class SettingsError(EventStoreError, ValueError):
    """Configuration is wrong; the message names the key and where it came from."""


class NotFound(EventStoreError, KeyError):
    """What was asked for does not exist."""

    def __str__(self) -> str:
        # KeyError shows repr(args[0]); a sentence is not a key.
        return str(self.args[0]) if self.args else type(self).__name__


class Refused(EventStoreError):
    """The store answered, and wrote nothing."""


class Unavailable(EventStoreError):
    """The store cannot answer now; the same call with the same ref may be sent again."""


class Damaged(EventStoreError):
    """The record is not what it must be."""


class WrongStore(EventStoreError):
    """The server holds another store, or lacks what the store needs."""


class CommandFailed(EventStoreError):
    """The server refused a command for a reason that trying again will not change."""


class EmbeddedError(EventStoreError):
    """The private server of a data directory could not be found, started or stopped."""
