"""Where the contract of payload stores is tested: files of any filesystem, and a driver."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import fsspec
from support.payload_drivers import PLACES, MyStorageDriver

from eventstore.payload_driver_keeper import DriverKeeper
from eventstore.payload_store import PayloadStore


class Place(Protocol):
    """An empty place for payloads; `where` is how messages name it."""

    @property
    def where(self) -> str: ...

    def store(self) -> PayloadStore:
        """Return a store there."""

    def name(self, session: str, ref: str, extension: str) -> str:
        """Return what the store calls a payload; `session` is the path segment for files."""

    def overwrite(self, name: str, data: bytes) -> None:
        """Put other bytes where the store has a payload."""

    def kept(self) -> tuple[int, int]:
        """Return how many payloads are there, and their bytes."""


@dataclass
class FilePlace:
    """Files below a URL."""

    url: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return self.url

    def store(self) -> PayloadStore:
        return PayloadStore(self.url, self.options)

    def name(self, session: str, ref: str, extension: str) -> str:
        if session == "payloads":
            return f"payloads/{ref}.{extension}"
        return f"artifacts/{session.replace('/', '%2f')}/payloads/{ref}.{extension}"

    def overwrite(self, name: str, data: bytes) -> None:
        with fsspec.open(f"{self.url}/{name}", "wb", **self.options) as file:
            file.write(data)

    def kept(self) -> tuple[int, int]:
        files, size = self.store().usage()
        assert files is not None
        assert size is not None
        return files, size


@dataclass
class DriverPlace:
    """What the drivers of one name keep."""

    place: str

    @property
    def where(self) -> str:
        return "payload driver mine: "

    def store(self) -> PayloadStore:
        keeper = DriverKeeper(MyStorageDriver, "mine", {"place": self.place}, 20.0)
        return PayloadStore(f"memory://{self.place}", keeper=keeper)

    def name(self, session: str, ref: str, extension: str) -> str:
        return f"{session}/{ref}.{extension}" if session == "payloads" else f"{session}/{ref}"

    def overwrite(self, name: str, data: bytes) -> None:
        kept = PLACES[self.place].kept
        (key,) = [key for key in kept if f"{key[0]}/{key[1]}" == name]
        kept[key] = data

    def kept(self) -> tuple[int, int]:
        payloads = PLACES[self.place].kept.values()
        return len(payloads), sum(map(len, payloads))
