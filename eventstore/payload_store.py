"""The payload store: payload bytes in files, for readers, producers and the payload group.

It keeps bytes as `eventstore.payloads` encoded them and gives them back checked against the
description in the log. Where they lie is in `eventstore.payload_paths`; keeping them is the part
of a keeper: files (`eventstore.payload_keeper`), or a driver of the application's own
(`eventstore.payload_driver`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from eventstore.errors import PayloadMissing
from eventstore.payload_keeper import FileKeeper, Item, StoredDigest, Usage
from eventstore.payload_paths import Address, digest_address, ref_address
from eventstore.payload_root import FileRoot
from eventstore.payloads import PayloadInfo, raw_payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from eventstore.payload_activity import Waiting
    from eventstore.payload_keeper import Keeper

__all__ = ["EventPayload", "PayloadStore", "StoredDigest", "Usage"]

TIMEOUT: Final = 20.0
"""Seconds that one read or write may take, unless `payloads.timeout` says otherwise."""


class EventPayload(NamedTuple):
    """An event's payload to store: as kept, and what a driver is told of it.

    `mime` "" stands for the form's default, a `header` of None for one of the payload alone.
    """

    session_id: str
    ref: str
    info: PayloadInfo
    data: bytes
    mime: str = ""
    header: Mapping[str, Any] | None = None


class PayloadStore:
    """Payloads in files below `url`: `file://`, a plain path, `memory://` or an object store.

    With a `keeper` the payloads are there instead, apart from `files`, which are for what else is
    kept: the journal. `url` names the one place, `journal_url` the other. Nothing is opened before
    the first call. All methods block and are thread-safe. They raise `PayloadStoreError`, with
    what to do, if the place fails, and may then be called again. What has not answered within
    `timeout` seconds has failed. Raises `SettingsError` for a URL that cannot hold payloads.

    A payload once written holds the same content for ever, so a write that is repeated, or made
    by two at once, is harmless.
    """

    def __init__(
        self,
        url: str,
        storage_options: Mapping[str, Any] | None = None,
        *,
        timeout: float = TIMEOUT,
        keeper: Keeper | None = None,
    ) -> None:
        section = "payloads" if keeper is None else "journal"
        self._root = FileRoot(url, storage_options or {}, timeout, section=section)
        self._keeper: Keeper = keeper or FileKeeper(self._root)
        self.files = self._root.files
        self.url = self._keeper.where
        self.journal_url = self._root.url
        self.is_apart = keeper is not None

    def write(
        self,
        session_id: str,
        ref: str,
        info: PayloadInfo,
        data: bytes,
        *,
        mime: str = "",
        header: Mapping[str, Any] | None = None,
    ) -> str:
        """Store an event's payload, as kept, under its ref; return what it is called there.

        That is the path below the root, or session and ref for a driver. Raises `PayloadDamaged`,
        and writes nothing, if `data` is not what `info` describes.
        """
        (name,) = self.write_many([EventPayload(session_id, ref, info, data, mime, header)])
        return name

    def write_many(self, payloads: Sequence[EventPayload]) -> list[str]:
        """Store payloads of events as `write` does; all are durable once it returns.

        Raises `PayloadDamaged` for the first that is not as described, before any is written.
        """
        items = [
            self._item(ref_address(each.session_id, each.ref, each.info, each.mime), each)
            for each in payloads
        ]
        self._keeper.put(items)
        return [self._keeper.name(item.address) for item in items]

    def write_digest(self, info: PayloadInfo, data: bytes) -> str:
        """Store a payload under its content; return what it is called there.

        One that is there is written again: its time then protects it from the sweep until the
        event that names it is appended. Raises `PayloadDamaged` as `write` does.
        """
        address = digest_address(info)
        payload = EventPayload(address.session_id, address.ref, info, data)
        self._keeper.put([self._item(address, payload)])
        return self._keeper.name(address)

    def read(self, session_id: str, ref: str, info: PayloadInfo, mime: str = "") -> bytes:
        """Return the raw bytes of an event's payload, checked.

        `info.place` says where: under its content, nowhere (no bytes), else under the ref.
        Raises `PayloadMissing`, `PayloadDamaged`.
        """
        if info.place == "none":
            return raw_payload(info, b"", f"payload of {ref}")
        if info.place == "digest":
            return self.read_digest(info)
        return self._read(ref_address(session_id, ref, info, mime), info)

    def read_digest(self, info: PayloadInfo) -> bytes:
        """Return the raw bytes kept under their content, checked; raises as `read` does."""
        return self._read(digest_address(info), info)

    def exists(self, session_id: str, ref: str, info: PayloadInfo, mime: str = "") -> bool:
        """Return whether an event's payload is stored under its ref."""
        return self._keeper.exists(ref_address(session_id, ref, info, mime))

    def exists_digest(self, info: PayloadInfo) -> bool:
        """Return whether a payload is stored under its content."""
        return self._keeper.exists(digest_address(info))

    def usage(self) -> Usage:
        """Count the payloads and their bytes. Walks the store: for display only."""
        return self._keeper.usage()

    def claim(self, store: str) -> None:
        """Note that the store of this uuid keeps payloads under their content here."""
        self._keeper.claim(store)

    def claimants(self) -> set[str]:
        """Return the uuids of the stores that keep payloads under their content here.

        A store may sweep only what it shares with no other: it does not know their events.
        """
        return self._keeper.claimants()

    def digests(self, older_than_seconds: float) -> list[StoredDigest]:
        """List the files kept under their content and not written for so many seconds.

        A sweep asks for a day, far longer than a producer takes from `write_digest` to its
        append. Ages are by the clocks of this machine and of the filesystem. A driver lists
        nothing, so nothing of it is swept.
        """
        return self._keeper.digests(older_than_seconds)

    def delete_digest(self, stored: StoredDigest) -> bool:
        """Remove a file that `digests` listed; return False if it was written again since."""
        return self._keeper.delete_digest(stored)

    def delete_leftovers(self, older_than_seconds: float) -> int:
        """Remove the unfinished files of killed writers; return how many there were.

        A live writer's file is younger than any sensible age: an hour, say.
        """
        return self._keeper.delete_leftovers(older_than_seconds)

    def waiting(self) -> Waiting | None:
        """Return the call that this process waits for longest; None if it waits for none."""
        found = [self._keeper.activity.slowest(), self._root.activity.slowest()]
        return max((each for each in found if each), key=lambda each: each.seconds, default=None)

    def reach_journal(self) -> None:
        """Ask the place of `files` for an answer; raises `PayloadStoreError` without one."""
        with self._root.failing("looking at"):
            self.files.has_root()

    def failing(self, doing: str, path: str = "") -> AbstractContextManager[None]:
        """Raise `PayloadStoreError`, with what to do, for an `OSError` of a block on `files`."""
        return self._root.failing(doing, path)

    def _item(self, address: Address, payload: EventPayload) -> Item:
        raw_payload(payload.info, payload.data, f"bytes for {self._keeper.at(address)}")
        header = payload.header
        if header is None:
            described = msgspec.structs.asdict(payload.info)
            named = {"session_id": address.session_id, "ref": address.ref, "mime": address.mime}
            header = {**named, "payload": described}
        return Item(address, payload.data, header)

    def _read(self, address: Address, info: PayloadInfo) -> bytes:
        data = self._keeper.get(address)
        where = self._keeper.at(address)
        if data is None:
            raise PayloadMissing(f"{where} does not exist; restore it from a backup of the store")
        return raw_payload(info, data, where)
