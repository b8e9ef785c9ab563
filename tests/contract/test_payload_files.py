"""What stores of files promise beyond the others: they count, list, share and are swept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.payloads import encoded

from eventstore.refs import derived_ref

if TYPE_CHECKING:
    from support.payload_places import Place

    from eventstore.payload_store import PayloadStore

REF = derived_ref("contract")
SESSION = "tau-bench/0/1"
AN_HOUR = 3600.0
PAYLOADS = [{"temp_c": -3}, {"rows": ["again"] * 500}, "text", "long " * 500, b"\x00\xff"]


def test_an_empty_store_holds_nothing(files: PayloadStore) -> None:
    assert files.usage() == (0, 0)
    assert files.digests(0) == []
    assert files.delete_leftovers(0) == 0


def test_usage_counts_files_and_their_bytes_as_kept(files: PayloadStore) -> None:
    items = [encoded(payload) for payload in PAYLOADS]
    for number, item in enumerate(items):
        files.write(f"s{number % 2}", derived_ref(str(number)), item.info, item.data)
    files.write_digest(items[0].info, items[0].data)
    kept = sum(len(item.data) for item in items) + len(items[0].data)
    assert files.usage() == (len(items) + 1, kept)


def test_the_sweep_sees_old_digests_alone(files: PayloadStore, file_place: Place) -> None:
    items = [encoded("one"), encoded("x" * 5000)]
    paths = {files.write_digest(item.info, item.data): item.info.sha256 for item in items}
    files.write(SESSION, REF, items[0].info, items[0].data)
    file_place.overwrite("payloads/notes.txt", b"an operator's own")
    assert files.digests(AN_HOUR) == []
    assert {stored.file.path: stored.sha256 for stored in files.digests(0)} == paths


def test_a_swept_digest_is_gone_and_the_rest_is_not(files: PayloadStore) -> None:
    one, two = encoded("one"), encoded("two")
    for item in (one, two):
        files.write_digest(item.info, item.data)
    listed = {stored.sha256: stored for stored in files.digests(0)}
    assert files.delete_digest(listed[one.info.sha256])
    assert files.delete_digest(listed[one.info.sha256]), "a repeated sweep is harmless"
    assert not files.exists_digest(one.info)
    assert files.read_digest(two.info) == b"two"


def test_a_digest_that_was_written_again_is_not_swept(files: PayloadStore) -> None:
    item = encoded("one")
    files.write_digest(item.info, item.data)
    [listed] = files.digests(0)
    path = files.write_digest(item.info, item.data)
    while files.digests(0)[0].file.modified == listed.file.modified:
        files.write_digest(item.info, item.data)  # a filesystem's clock may be coarse
    assert not files.delete_digest(listed)
    assert files.read_digest(item.info) == b"one"
    assert path == listed.file.path


def test_stores_that_share_a_root_know_of_each_other(files: PayloadStore) -> None:
    assert files.claimants() == set()
    files.claim("a" * 32)
    files.claim("b" * 32)
    files.claim("a" * 32)
    assert files.claimants() == {"a" * 32, "b" * 32}
    assert files.usage() == (0, 0)
