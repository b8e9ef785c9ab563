"""Whose journals lie beside the payloads: a record of each store, in its journal's folder.

The record says which namespace the store has, so that a store of another namespace, which keeps
its payloads in the same place, is not taken for this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from eventstore.errors import JournalDamaged
from eventstore.journal_format import JOURNAL_ROOT, segment_of

if TYPE_CHECKING:
    from eventstore.payload_store import PayloadStore

_RECORD: Final = "store.json"


class StoreRecord(msgspec.Struct, frozen=True):
    """A store that has a journal; namespace and partitions are None where no record says them."""

    uuid: str
    namespace: str | None = None
    partitions: int | None = None

    def may_be_of(self, namespace: str) -> bool:
        """Return whether the store may be one of this namespace."""
        return self.namespace in (None, namespace)


def record_store(payloads: PayloadStore, record: StoreRecord) -> None:
    """Note whose journal this is; nothing is written if it is noted already."""
    path = _path(record.uuid)
    with payloads.failing("writing", path):
        if not payloads.files.exists(path):
            payloads.files.put(path, msgspec.json.encode(record) + b"\n")


def has_record(payloads: PayloadStore, uuid: str) -> bool:
    """Return whether a store is noted to keep its journal here."""
    path = _path(uuid)
    with payloads.failing("looking for", path):
        return payloads.files.exists(path)


def stores_with_segments(payloads: PayloadStore) -> list[StoreRecord]:
    """Return the stores of which the journal here holds events, by uuid.

    Raises `JournalDamaged` if a record cannot be read.
    """
    with payloads.failing("listing", JOURNAL_ROOT):
        paths = [file.path.split("/") for file in payloads.files.files(JOURNAL_ROOT)]
    filled = {path[1] for path in paths if len(path) == 4 and segment_of(path[3]) is not None}
    recorded = {path[1] for path in paths if path[2:] == [_RECORD]}
    return [
        _read(payloads, uuid) if uuid in recorded else StoreRecord(uuid) for uuid in sorted(filled)
    ]


def _read(payloads: PayloadStore, uuid: str) -> StoreRecord:
    path = _path(uuid)
    with payloads.failing("reading", path):
        data = payloads.files.get(path)
    try:
        return msgspec.json.decode(data, type=StoreRecord)
    except msgspec.DecodeError as error:
        raise JournalDamaged(path, f"cannot be read ({error})") from error


def _path(uuid: str) -> str:
    return f"{JOURNAL_ROOT}/{uuid}/{_RECORD}"
