"""Payload drivers as an application would write them, and ways to make one hang, fill or fail."""

from __future__ import annotations

import errno
import os
import threading
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventstore import BaseStorageDriver
from eventstore.settings_storage import JournalSettings, PayloadSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventstore.settings import AppSettings

MODULE = __name__


class Place:
    """What the drivers of one name keep, in this process, and what is the matter with it."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str], bytes] = {}
        self.headers: list[Mapping[str, Any]] = []
        self.open = threading.Event()
        self.open.set()
        self.waiting = 0
        self.fault: BaseException | None = None

    def pass_through(self) -> None:
        """Hang while the place is shut, raise while it has a fault."""
        if not self.open.is_set():
            self.waiting += 1
            self.open.wait()
        if self.fault is not None:
            raise self.fault

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Let every call hang until the block ends."""
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()

    @contextmanager
    def failing(self, fault: BaseException | None = None) -> Iterator[None]:
        """Let every call raise; by default that the disk is full."""
        self.fault = fault or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            yield
        finally:
            self.fault = None


PLACES: dict[str, Place] = defaultdict(Place)


class MyStorageDriver(BaseStorageDriver):
    """The two methods that the specification asks for, over a dict."""

    def __init__(self, place: str = "default") -> None:
        self.place = PLACES[place]

    def write_payload(self, session_id, ref, payload, mime, header):  # type: ignore[no-untyped-def]
        self.place.pass_through()
        self.place.headers.append(header)
        self.place.kept[session_id, ref, mime] = payload

    def read_payload(self, session_id, ref, mime):  # type: ignore[no-untyped-def]
        self.place.pass_through()
        return self.place.kept[session_id, ref, mime]


class Duck:
    """The two methods on a class of nobody's."""

    def write_payload(
        self, session_id: str, ref: str, payload: bytes, mime: str, header: Mapping[str, Any]
    ) -> None:
        PLACES["duck"].kept[session_id, ref, mime] = payload

    def read_payload(self, session_id: str, ref: str, mime: str) -> bytes | None:
        return PLACES["duck"].kept.get((session_id, ref, mime))


class Hanging(BaseStorageDriver):
    """Never comes back, and cannot be cut short; a file says that it was called."""

    def __init__(self, called: str) -> None:
        self.called = Path(called)

    def write_payload(
        self, session_id: str, ref: str, payload: bytes, mime: str, header: Mapping[str, Any]
    ) -> None:
        self.called.touch()
        threading.Event().wait()

    def read_payload(self, session_id: str, ref: str, mime: str) -> bytes | None:
        return None


def with_driver(settings: AppSettings, place: str, **payloads: Any) -> AppSettings:
    """Return settings whose payloads are kept by the driver of a place; the journal in memory."""
    chosen = PayloadSettings(
        driver=f"{MODULE}:MyStorageDriver", storage_options={"place": place}, **payloads
    )
    return settings.model_copy(
        update={"payloads": chosen, "journal": JournalSettings(url=f"memory://{place}")}
    )
