"""Whole, durable files on a local disk.

fsspec's local filesystem is bypassed: it has no fsync and writes in place, so that a reader
could see a part and a power cut could lose an acknowledged file.
"""

from __future__ import annotations

import os
import secrets
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventstore.bounded import BoundedCalls
from eventstore.payload_files import StoredFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PART_SUFFIX: Final = ".part"
_MAX_KNOWN_FOLDERS: Final = 10_000


class LocalFiles:
    """Files below a directory.

    A file is written under a name of its own in the same directory (`.<name>.<pid>-<random>.part`),
    fsynced, renamed over the final name, and the directory fsynced: readers see no file or all of
    one, writers of one path all succeed, and what `put` has returned for survives a power cut.
    A killed writer leaves at most such parts behind, which `leftovers` lists. With several files
    (`put_many`) each directory is fsynced once, when all are in it.

    The root is made at the first write if its parent exists, so that an unmounted disk or a
    mistyped path is an error instead of a new place. A write takes `timeout` seconds at most, also
    where the disk hangs; a read may hang as long as the disk does.
    """

    batch = 16

    def __init__(self, root: Path, timeout: float = 20.0) -> None:
        self.root = root
        self._timeout = timeout
        self._writes = BoundedCalls()
        # Directories whose own entries this process has made durable. A set's add and lookup
        # are atomic, and a lost or repeated entry only costs another fsync.
        self._durable_folders: set[Path] = set()

    def put(self, path: str, data: bytes) -> None:
        self.put_many([(path, data)])

    def put_many(self, files: Sequence[tuple[str, bytes]]) -> None:
        self._writes.run(self._timeout, self._put_all, files)

    def _put_all(self, files: Sequence[tuple[str, bytes]]) -> None:
        targets = [self.root / path for path, _ in files]
        for target, (_, data) in zip(targets, files, strict=True):
            self._put_visibly(target, data)
        for folder in {target.parent for target in targets}:
            _sync_folder(folder)

    def _put_visibly(self, target: Path, data: bytes) -> None:
        """Put a whole and durable file in its place; its name there is not durable yet."""
        self._make_durable(target.parent)
        part = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(8)}{PART_SUFFIX}")
        try:
            _write_durably(part, data)
            part.replace(target)
        except OSError:
            part.unlink(missing_ok=True)
            self._durable_folders.clear()
            raise

    def get(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def part(self, path: str, start: int, end: int) -> bytes:
        with (self.root / path).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def exists(self, path: str) -> bool:
        return (self.root / path).is_file()

    def stat(self, path: str) -> StoredFile:
        status = (self.root / path).stat()
        return StoredFile(path, status.st_size, status.st_mtime)

    def delete(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)

    def files(self, folder: str) -> Iterator[StoredFile]:
        return (file for file in self._walk(folder) if not _is_part(file.path))

    def settle(self, folder: str) -> None:
        self._make_durable(self.root / folder)
        # A file is renamed once its bytes are durable; its name may not be.
        _sync_folder(self.root / folder)

    def leftovers(self) -> Iterator[StoredFile]:
        return (file for file in self._walk("") if _is_part(file.path))

    def has_root(self) -> bool:
        return self.root.is_dir()

    def _walk(self, folder: str) -> Iterator[StoredFile]:
        # Names vanish while a live store is walked: a part is renamed, a file is swept.
        for where, _, names in os.walk(self.root / folder, onerror=_raise_unless_gone):
            for name in names:
                path = Path(where, name)
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                relative = path.relative_to(self.root).as_posix()
                yield StoredFile(relative, status.st_size, status.st_mtime)

    def _make_durable(self, folder: Path) -> None:
        """Make a directory and those above it, down from the root, with durable entries.

        Entries that are there are fsynced too, once a process: whoever made them may not have
        come to it.
        """
        if folder in self._durable_folders:
            return
        if folder != self.root:
            self._make_durable(folder.parent)
        folder.mkdir(exist_ok=True)
        # An operator's root may lie in a directory that this user may not list.
        with suppress(PermissionError) if folder == self.root else nullcontext():
            _sync_folder(folder.parent)
        if len(self._durable_folders) >= _MAX_KNOWN_FOLDERS:
            self._durable_folders.clear()
        self._durable_folders.add(folder)


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _is_part(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(".") and name.endswith(PART_SUFFIX)


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
