"""What the payload store asks of a filesystem, and that on top of fsspec.

`put` is whole or not at all: a reader sees no file, or all of one. Object stores give that by
themselves, so one call does it there; `eventstore.payload_local` does it on disks.
"""

from __future__ import annotations

import errno
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import fsspec
import msgspec

from eventstore.errors import SettingsError
from eventstore.payload_faults import StoreFault, fault_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WHOLE_PUT_PROTOCOLS: Final = frozenset({"memory", "s3", "s3a", "gs", "gcs", "az", "abfs"})
"""Protocols of fsspec under which a file appears with all its bytes or does not appear."""
_S3: Final = frozenset({"s3", "s3a"})
_CONNECT_SECONDS: Final = 3.0
_MODIFIED: Final = ("LastModified", "last_modified", "mtime", "updated")


class StoredFile(msgspec.Struct, frozen=True):
    """A file of the store: path relative to the root, bytes, seconds since 1970."""

    path: str
    size: int
    modified: float


class PayloadFiles(Protocol):
    """Whole files below a root, thread-safe. Paths are relative, separated by `/`.

    Every method raises `OSError` as the filesystem does. `batch` is how many files `put_many` is
    best given at once.
    """

    batch: int

    def put(self, path: str, data: bytes) -> None:
        """Write a file whole and durably, in place of one that is there."""

    def put_many(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Write files as `put` does, each whole and durable once all are."""

    def get(self, path: str) -> bytes:
        """Return a file's bytes."""

    def part(self, path: str, start: int, end: int) -> bytes:
        """Return a file's bytes from `start` up to but not `end`; fewer where the file ends.

        `end` is above `start`.
        """

    def exists(self, path: str) -> bool:
        """Return whether the file is there."""

    def stat(self, path: str) -> StoredFile:
        """Return the size and time of a file."""

    def delete(self, path: str) -> None:
        """Remove a file; nothing happens if it is gone."""

    def files(self, folder: str) -> Iterator[StoredFile]:
        """List the whole files below a folder, at any depth; none if there is no folder."""

    def settle(self, folder: str) -> None:
        """Make what is seen in a folder durable, also what a killed writer had not come to."""

    def leftovers(self) -> Iterator[StoredFile]:
        """List the unfinished files of writers, of killed and of live ones."""

    def has_root(self) -> bool:
        """Return whether the place that holds the files is there, though it may be empty."""


class FsspecFiles:
    """Files of an fsspec filesystem whose own put is whole or not at all.

    `memory://` is one store per process: it is empty in a new process, and what a forked child
    writes its parent does not see. The filesystem is opened at first use, and anew after a
    fork, since clients and their threads do not survive one. An object store that has not
    answered a call within `timeout` seconds has failed; its times are in whole seconds.
    """

    batch = 1

    def __init__(
        self, url: str, storage_options: dict[str, Any], timeout: float, section: str = "payloads"
    ) -> None:
        protocol, _, rest = url.partition("://")
        if protocol not in WHOLE_PUT_PROTOCOLS:
            raise SettingsError(
                f"{section}.url: {protocol}:// is not known to write a file whole or not at all; "
                f"use file:// or one of {', '.join(sorted(WHOLE_PUT_PROTOCOLS))}"
            )
        if protocol != "memory" and not rest.strip("/"):
            raise SettingsError(
                f"{section}.url: {url!r} names no bucket; write {protocol}://bucket"
            )
        self._url = url
        self._section = section
        self._protocol = protocol
        self._timeout = timeout
        self._options = (
            _s3_options(storage_options, timeout) if protocol in _S3 else storage_options
        )
        self._opened: tuple[int, Any, str] | None = None

    def put(self, path: str, data: bytes) -> None:
        self._ask("pipe_file", path, data)

    def put_many(self, files: Sequence[tuple[str, bytes]]) -> None:
        for path, data in files:
            self.put(path, data)

    def get(self, path: str) -> bytes:
        return bytes(self._ask("cat_file", path))

    def part(self, path: str, start: int, end: int) -> bytes:
        return bytes(self._ask("cat_file", path, start=start, end=end))

    def exists(self, path: str) -> bool:
        try:
            # Not isfile, which takes a store that fails for one that lacks the file.
            return bool(self._ask("info", path)["type"] == "file")
        except FileNotFoundError:
            return False

    def stat(self, path: str) -> StoredFile:
        return self._described(path, self._ask("info", path))

    def delete(self, path: str) -> None:
        try:
            self._ask("rm_file", path)
        except FileNotFoundError:
            return

    def files(self, folder: str) -> Iterator[StoredFile]:
        _, root = self._open()
        found = self._ask("find", folder, detail=True)
        if not found and not self.has_root():
            raise FileNotFoundError(f"there is no {root.partition('/')[0]}")
        for full, info in found.items():
            try:
                yield self._described(full.removeprefix(f"{root}/"), info)
            except FileNotFoundError:
                continue  # removed since the listing

    def settle(self, folder: str) -> None:
        """What an object store shows is durable."""

    def leftovers(self) -> Iterator[StoredFile]:
        return iter(())

    def has_root(self) -> bool:
        _, root = self._open()
        # Memory is always there; elsewhere the first part of a path is the bucket.
        return self._protocol == "memory" or self._has_bucket(root.partition("/")[0])

    def _has_bucket(self, bucket: str) -> bool:
        try:
            self._call("info", bucket)
        except FileNotFoundError:
            return False
        return True

    def _described(self, path: str, info: Mapping[str, Any]) -> StoredFile:
        if self._protocol == "memory":
            filesystem, root = self._open()
            modified = filesystem.modified(f"{root}/{path}").timestamp()
        else:
            modified = float(int(_modified(info).timestamp()))
        return StoredFile(path, info["size"], modified)

    def _ask(self, method: str, path: str, *args: Any, **named: Any) -> Any:
        _, root = self._open()
        return self._call(method, f"{root}/{path}", *args, **named)

    def _call(self, method: str, *args: Any, **named: Any) -> Any:
        """Call a method of the filesystem; whatever it raises is an `OSError`."""
        filesystem, _ = self._open()
        # A listing kept from before would not know of another writer's file.
        filesystem.invalidate_cache()
        if filesystem.async_impl:
            named["timeout"] = self._timeout
        try:
            return getattr(filesystem, method)(*args, **named)
        except TimeoutError as error:
            text = f"no answer within {self._timeout:g} s"
            raise TimeoutError(errno.ETIMEDOUT, text) from error
        except OSError:
            raise
        except Exception as error:
            raise fault_of(error) from error

    def _open(self) -> tuple[Any, str]:
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                filesystem, root = fsspec.url_to_fs(self._url, **self._options)
            except ImportError as error:
                raise SettingsError(
                    f"{self._section}.url: {self._protocol}:// needs a package that is not "
                    f"installed ({error}); for s3:// install eventstore[s3]"
                ) from error
            self._opened = (os.getpid(), filesystem, root.rstrip("/"))
        return self._opened[1], self._opened[2]


def _s3_options(given: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Return options for S3 that keep to the timeout; what is given wins.

    Whoever calls a payload store tries again by itself, so the client does it once only.
    """
    config = {
        "connect_timeout": min(timeout, _CONNECT_SECONDS),
        "read_timeout": timeout,
        "retries": {"mode": "standard", "total_max_attempts": 2},
        **given.get("config_kwargs", {}),
    }
    return {"use_listings_cache": False, **given, "config_kwargs": config}


def _modified(info: Mapping[str, Any]) -> datetime:
    """Return when a file was written, by whichever name a filesystem has for that."""
    found = next((info[name] for name in _MODIFIED if info.get(name)), None)
    if isinstance(found, datetime):
        return found
    if isinstance(found, str):
        return datetime.fromisoformat(found)
    raise StoreFault("a listing tells no times", "keep payloads on another kind of store")
