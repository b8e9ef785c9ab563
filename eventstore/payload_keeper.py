"""What keeps payloads: files below a root here, a driver in `eventstore.payload_driver_keeper`."""

from __future__ import annotations

import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from eventstore.payload_files import StoredFile
from eventstore.payload_paths import (
    DIGESTS_ROOT,
    SESSIONS_ROOT,
    STORES_ROOT,
    Address,
    digest_in,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventstore.payload_activity import Activity
    from eventstore.payload_root import FileRoot


class Usage(NamedTuple):
    """How many payloads are kept, and their bytes as kept; None where that cannot be counted."""

    files: int | None
    bytes: int | None


class StoredDigest(msgspec.Struct, frozen=True):
    """A file kept under its content: the sha256 of the raw bytes, and the file."""

    sha256: str
    file: StoredFile


class Item(NamedTuple):
    """A payload to keep: where, its bytes, and the header that a driver is shown."""

    address: Address
    data: bytes
    header: Mapping[str, Any]


class Keeper(Protocol):
    """Where payloads are kept. All methods block, are thread-safe and raise `PayloadStoreError`.

    `where` names it, for messages; `activity` is what it waits for. What it cannot list it does
    not count, and none of it is swept.
    """

    where: str
    activity: Activity

    def put(self, items: Sequence[Item]) -> None:
        """Keep payloads, each whole and durably, in place of one that is there."""

    def get(self, address: Address) -> bytes | None:
        """Return a payload's bytes, None if it was never kept."""

    def exists(self, address: Address) -> bool:
        """Return whether a payload is kept."""

    def name(self, address: Address) -> str:
        """Return what a payload is called within this keeper."""

    def at(self, address: Address) -> str:
        """Return a payload's whole address, for messages."""

    def usage(self) -> Usage:
        """Count the payloads and their bytes."""

    def claim(self, store: str) -> None:
        """Note that the store of this uuid keeps payloads under their content here."""

    def claimants(self) -> set[str]:
        """Return the uuids of the stores that do."""

    def digests(self, older_than_seconds: float) -> list[StoredDigest]:
        """List what is kept under its content and was not written for so many seconds."""

    def delete_digest(self, stored: StoredDigest) -> bool:
        """Remove one of them; return False if it was written again since."""

    def delete_leftovers(self, older_than_seconds: float) -> int:
        """Remove what killed writers left; return how many there were."""


class FileKeeper:
    """Payloads as files below a root."""

    def __init__(self, root: FileRoot) -> None:
        self.where = root.url
        self.activity = root.activity
        self._root = root
        self._files = root.files

    def put(self, items: Sequence[Item]) -> None:
        for start in range(0, len(items), self._files.batch):
            step = [(item.address.path, item.data) for item in items[start:][: self._files.batch]]
            others = f" and {len(step) - 1} more" if len(step) > 1 else ""
            with self._root.failing("writing", f"{step[0][0]}{others}"):
                self._files.put_many(step)

    def get(self, address: Address) -> bytes | None:
        with self._root.failing("reading", address.path):
            try:
                return self._files.get(address.path)
            except FileNotFoundError:
                if not self._files.has_root():
                    raise
                return None

    def exists(self, address: Address) -> bool:
        with self._root.failing("looking for", address.path):
            return self._files.exists(address.path)

    def name(self, address: Address) -> str:
        return address.path

    def at(self, address: Address) -> str:
        return self._root.at(address.path)

    def usage(self) -> Usage:
        with self._root.failing("listing"):
            kept = chain(self._files.files(SESSIONS_ROOT), self._files.files(DIGESTS_ROOT))
            sizes = [file.size for file in kept]
        return Usage(len(sizes), sum(sizes))

    def claim(self, store: str) -> None:
        path = f"{STORES_ROOT}/{store}"
        with self._root.failing("writing", path):
            self._files.put(path, b"")

    def claimants(self) -> set[str]:
        with self._root.failing("listing", STORES_ROOT):
            return {Path(file.path).name for file in self._files.files(STORES_ROOT)}

    def digests(self, older_than_seconds: float) -> list[StoredDigest]:
        written_by = time.time() - older_than_seconds
        with self._root.failing("listing", DIGESTS_ROOT):
            files = list(self._files.files(DIGESTS_ROOT))
        named = ((digest_in(file.path), file) for file in files if file.modified <= written_by)
        return [StoredDigest(sha256, file) for sha256, file in named if sha256 is not None]

    def delete_digest(self, stored: StoredDigest) -> bool:
        path = stored.file.path
        with self._root.failing("deleting", path):
            try:
                current = self._files.stat(path)
            except FileNotFoundError:
                return True
            if current.modified != stored.file.modified:
                return False
            self._files.delete(path)
        return True

    def delete_leftovers(self, older_than_seconds: float) -> int:
        written_by = time.time() - older_than_seconds
        with self._root.failing("deleting unfinished files"):
            old = [file for file in self._files.leftovers() if file.modified <= written_by]
            for file in old:
                self._files.delete(file.path)
        return len(old)
