"""A tree of whole files at a URL: which file system serves it, and what its faults say."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventstore.errors import SettingsError
from eventstore.payload_activity import Activity
from eventstore.payload_faults import failing
from eventstore.payload_files import FsspecFiles, PayloadFiles
from eventstore.payload_local import LocalFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class FileRoot:
    """Files below `url`: `file://`, a plain path, `memory://` or an object store.

    Nothing is opened before the first call. Raises `SettingsError`, naming `section`, for a URL
    that cannot hold whole files.
    """

    def __init__(
        self,
        url: str,
        storage_options: Mapping[str, Any],
        timeout: float,
        *,
        section: str = "payloads",
        activity: Activity | None = None,
    ) -> None:
        self.url = url
        self.files = _files_at(url, dict(storage_options), timeout, section)
        self.activity = activity or Activity()

    def at(self, path: str) -> str:
        """Return a path's whole address, for messages."""
        return f"{self.url}{path}" if self.url.endswith("/") else f"{self.url}/{path}"

    @contextmanager
    def failing(self, doing: str, path: str = "") -> Iterator[None]:
        """Raise `PayloadStoreError`, with what to do, for an `OSError` of the block."""
        where = self.at(path)
        with self.activity.doing(f"{doing} {where}"), failing(doing, where):
            yield


def _files_at(
    url: str, storage_options: dict[str, Any], timeout: float, section: str
) -> PayloadFiles:
    protocol, separator, rest = url.partition("://")
    if separator and protocol not in ("file", "local"):
        return FsspecFiles(url, storage_options, timeout, section)
    if not (rest if separator else url):
        raise SettingsError(f"{section}.url: {url!r} names no directory; write file:///path")
    if storage_options:
        raise SettingsError(
            f"{section}.storage_options: file:// takes none, but has {', '.join(storage_options)}"
        )
    path = Path(rest if separator else url).expanduser().absolute()
    return LocalFiles(path, timeout)
