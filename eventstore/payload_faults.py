"""What goes wrong with a payload store, in this project's terms and with what to do about it."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from eventstore.errors import PayloadStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BY_NUMBER: Final[dict[int, str]] = {
    errno.ENOSPC: "free space on its disk",
    errno.EDQUOT: "raise the quota or free space",
    errno.EACCES: "give this user read and write permission to it",
    errno.EPERM: "give this user read and write permission to it",
    errno.EROFS: "mount it writable or set payloads.url to another place",
    errno.ENOENT: "create the directory above it, or mount its disk",
    errno.EEXIST: "a file is in the place of a directory; move it away",
    errno.ENOTDIR: "a file is in the place of a directory; move it away",
    errno.EISDIR: "a directory is in the place of a file; move it away",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files",
    errno.EIO: "check the disk",
    errno.EBUSY: "it has too much to do; wait, or raise its limits",
    errno.ETIMEDOUT: "see whether it is reachable and how busy it is, or raise payloads.timeout",
}
_DENIED: Final = "see that the credentials are right and allow reading and writing there"
_REMOTE: Final = "see whether the payload store is reachable"
# By the names of exceptions of the libraries that speak to object stores, which are no OSErrors;
# the libraries themselves are extras, and cannot be asked for their classes.
_BY_NAME: Final[dict[str, str]] = {
    "NoCredentialsError": "give key and secret in payloads.storage_options, or AWS_ACCESS_KEY_ID "
    "and AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "give both key and secret",
    "CredentialRetrievalError": "see that the source of the credentials answers",
    "ClientAuthenticationError": _DENIED,
    "SSLError": "see that its certificate is one that this machine trusts",
    "ParamValidationError": "correct payloads.url and payloads.storage_options",
    "ValueError": "correct payloads.url and payloads.storage_options",
}


class StoreFault(OSError):
    """A fault of a store that is no file system, with what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def fault_of(error: Exception) -> StoreFault:
    """Return what a library raised that has exceptions of its own, as an `OSError`."""
    names = [kind.__name__ for kind in type(error).__mro__]
    remedy = next((_BY_NAME[name] for name in names if name in _BY_NAME), _REMOTE)
    return StoreFault(f"{type(error).__name__}: {error}", remedy)


@contextmanager
def failing(doing: str, where: str) -> Iterator[None]:
    """Raise `PayloadStoreError`, with what to do, for an `OSError` of the block."""
    try:
        yield
    except OSError as error:
        problem = error.strerror or str(error) or type(error).__name__
        raise PayloadStoreError(
            f"{doing} {where}: {problem}; {_remedy(error)}, then try again"
        ) from error


def _remedy(error: OSError) -> str:
    if isinstance(error, StoreFault):
        return error.remedy
    if error.errno is not None:
        return _BY_NUMBER.get(error.errno, _REMOTE)
    # Without a number it is an object store that answered.
    if isinstance(error, PermissionError):
        return _DENIED
    return "create the bucket" if isinstance(error, FileNotFoundError) else _REMOTE
