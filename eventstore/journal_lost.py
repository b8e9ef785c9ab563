"""What a repair took out of a log or its journal: kept in files, never deleted.

lost/<uuid>/<p>/<first>-<last>-<chain>.ndjson.gz     events, as a segment of the journal
lost/<uuid>/<p>/payloads/<ref>.<ext>[.gz]            payloads that were in the server alone
lost/<uuid>/<p>/foreign-<16 hex>.ndjson.gz           entries that no append wrote
"""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Final

import msgspec

from eventstore.journal_format import decode_segment, encode_segment, field, segment_of
from eventstore.payload_paths import ref_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventstore.journal_format import Entry
    from eventstore.payload_store import PayloadStore
    from eventstore.payloads import PayloadInfo

LOST_ROOT: Final = "lost"


class LostEvents:
    """What was lost of one partition. All methods block, and may be repeated."""

    def __init__(self, payloads: PayloadStore, store: str, partition: int) -> None:
        self._payloads = payloads
        self._folder = f"{LOST_ROOT}/{store}/{partition:d}"

    def keep(self, entries: Sequence[Entry]) -> str:
        """Keep neighbouring events; return the path of their segment."""
        segment, data = encode_segment(entries)
        return self._put(segment.name, data)

    def keep_foreign(self, entries: Sequence[Entry]) -> str:
        """Keep entries that are no events, each with its id and its fields in base64."""
        lines = [
            msgspec.json.encode(
                {"id": entry_id.decode(), "fields": [b64encode(value).decode() for value in values]}
            )
            for entry_id, values in entries
        ]
        text = b"\n".join(lines) + b"\n"
        name = f"foreign-{hashlib.sha256(text).hexdigest()[:16]}.ndjson.gz"
        return self._put(name, gzip.compress(text, mtime=0))

    def keep_payload(self, session_id: str, ref: str, info: PayloadInfo, data: bytes) -> str:
        """Keep the payload of an event, as it was kept in the server."""
        return self._put(f"payloads/{ref_path(session_id, ref, info).rpartition('/')[2]}", data)

    def refs(self) -> Iterator[tuple[int, str]]:
        """Read the position and ref of every event that is kept here."""
        with self._payloads.failing("listing", self._folder):
            files = list(self._payloads.files.files(self._folder))
        for file in files:
            segment = segment_of(file.path.removeprefix(f"{self._folder}/"))
            if segment is not None:
                with self._payloads.failing("reading", file.path):
                    data = self._payloads.files.get(file.path)
                entries = decode_segment(segment, data, file.path)
                for position, entry in enumerate(entries, start=segment.first):
                    yield position, field(entry, "ref")

    def _put(self, name: str, data: bytes) -> str:
        path = f"{self._folder}/{name}"
        with self._payloads.failing("writing", path):
            if not self._payloads.files.exists(path):
                self._payloads.files.put(path, data)
        return path
