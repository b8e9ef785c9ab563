"""Whose journal it is, and what a repair keeps aside: the files that docs/format.md names."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest
from support.format_page import block

from eventstore.errors import JournalDamaged
from eventstore.journal_lost import LostEvents
from eventstore.journal_stores import (
    StoreRecord,
    has_record,
    record_store,
    stores_with_segments,
)
from eventstore.payload_store import PayloadStore
from eventstore.payloads import encode_payload

if TYPE_CHECKING:
    from pathlib import Path

UUID = "0123456789abcdef0123456789abcdef"
SEGMENT = f"{1:020d}-{2:020d}-{'a' * 16}.ndjson.gz"


@pytest.fixture
def payloads(tmp_path: Path) -> PayloadStore:
    return PayloadStore(str(tmp_path))


def write(root: Path, path: str, data: bytes = b"") -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def test_the_record_is_as_written_down(payloads: PayloadStore, tmp_path: Path) -> None:
    assert not has_record(payloads, UUID)
    record_store(payloads, StoreRecord(UUID, "es", 1))
    (line,) = block("json store")
    assert (tmp_path / "journal" / UUID / "store.json").read_text() == line + "\n"
    assert has_record(payloads, UUID)
    record_store(payloads, StoreRecord(UUID, "another", 2))
    assert (tmp_path / "journal" / UUID / "store.json").read_text() == line + "\n"


def test_only_stores_with_events_are_named(payloads: PayloadStore, tmp_path: Path) -> None:
    assert stores_with_segments(payloads) == []
    record_store(payloads, StoreRecord(UUID, "es", 1))
    write(tmp_path, f"journal/{'f' * 32}/0/{SEGMENT}")
    write(tmp_path, f"journal/{'e' * 32}/0/notes.txt")
    assert stores_with_segments(payloads) == [StoreRecord("f" * 32)]
    write(tmp_path, f"journal/{UUID}/3/{SEGMENT}")
    assert stores_with_segments(payloads) == [StoreRecord(UUID, "es", 1), StoreRecord("f" * 32)]


@pytest.mark.parametrize(
    ("record", "namespace", "may"),
    [
        (StoreRecord(UUID), "es", True),
        (StoreRecord(UUID, "es"), "es", True),
        (StoreRecord(UUID, "es"), "other", False),
    ],
)
def test_a_record_tells_namespaces_apart(record: StoreRecord, namespace: str, may: bool) -> None:
    assert record.may_be_of(namespace) is may


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"namespace":"es"}'])
def test_a_record_that_cannot_be_read_is_named(
    payloads: PayloadStore, tmp_path: Path, data: bytes
) -> None:
    write(tmp_path, f"journal/{UUID}/store.json", data)
    write(tmp_path, f"journal/{UUID}/0/{SEGMENT}")
    with pytest.raises(JournalDamaged, match=rf"journal/{UUID}/store\.json"):
        stores_with_segments(payloads)


def test_foreign_entries_and_payloads_are_kept_whole(
    payloads: PayloadStore, tmp_path: Path
) -> None:
    lost = LostEvents(payloads, UUID, 3)
    entries = [(b"1700000000000-0", [b"a", b"\x00\xff"])]
    path = lost.keep_foreign(entries)
    assert lost.keep_foreign(entries) == path
    (line,) = gzip.decompress((tmp_path / path).read_bytes()).splitlines()
    kept = json.loads(line)
    assert kept["id"] == "1700000000000-0"
    assert [b64decode(value) for value in kept["fields"]] == [b"a", b"\x00\xff"]
    payload = encode_payload({"a": 1}, "json", compress_above=2048)
    path = lost.keep_payload("s", "0" * 32, payload.info, payload.data)
    assert path == f"lost/{UUID}/3/payloads/{'0' * 32}.json"
    assert (tmp_path / path).read_bytes() == payload.data
    assert list(lost.refs()) == []
