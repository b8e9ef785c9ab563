"""What every payload store promises: on a disk, in memory, on S3, and with a driver."""

from __future__ import annotations

import gzip
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support.payloads import encoded

from eventstore.errors import PayloadDamaged, PayloadMissing
from eventstore.payloads import EncodedPayload, payload_value
from eventstore.refs import derived_ref

if TYPE_CHECKING:
    from support.payload_places import Place

    from eventstore.payload_store import PayloadStore

REF = derived_ref("contract")
SESSION = "tau-bench/0/1"
PAYLOADS: list[Any] = [
    {"temp_c": -3, "é": [None, True, 1.5]},
    {"rows": ["the same row again"] * 500},
    "text",
    "text\r\n\0 that is long " * 500,
    b"\x00\xff",
    bytes(range(256)) * 50,
]
HARD_NAMES = [
    ".", "..", "...", "/", "//", "a/b", "a%2fb", "a/../b", "../../etc/passwd", "\0", "a\0", "~",
    "a", "A", "é", "e\u0301", "É", "ß", "SS", "ss", "ﬁ", "fi", " ", "a ", "-", "_", ".a", "%2ea",
    "x" * 200, "x" * 201, "x" * 202, "X" * 100, "語" * 40, "語" * 41, "con", "nul.txt", "\\", ":",
]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_payload_comes_back(store: PayloadStore, place: Place, payload: Any) -> None:
    item = encoded(payload)
    path = store.write(SESSION, REF, item.info, item.data)
    raw = store.read(SESSION, REF, item.info)
    assert len(raw) == item.info.size
    assert payload_value(item.info, raw) == payload
    assert store.exists(SESSION, REF, item.info)
    extension = {"json": "json", "text": "txt", "bin": "bin"}[item.info.form]
    suffix = ".gz" if item.info.size > 2048 else ""
    assert path == place.name(SESSION, REF, f"{extension}{suffix}")


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_payload_kept_under_its_content_comes_back(store: PayloadStore, payload: Any) -> None:
    item = encoded(payload)
    path = store.write_digest(item.info, item.data)
    assert payload_value(item.info, store.read_digest(item.info)) == payload
    assert store.exists_digest(item.info)
    assert path.startswith(f"payloads/sha256-{item.info.sha256}.")
    assert path.endswith(".gz") == (item.info.size > 2048)


def test_a_read_goes_where_the_description_says(store: PayloadStore) -> None:
    empty = encoded("")
    assert empty.info.place == "none"
    assert store.read(SESSION, REF, empty.info) == b""
    large = encoded("x" * 5000)
    store.write_digest(large.info, large.data)
    with pytest.raises(PayloadMissing):
        store.read(SESSION, REF, large.info)
    placed = type(large.info)(**{**_fields(large), "place": "digest"})
    assert store.read(SESSION, REF, placed) == b"x" * 5000


def _fields(item: EncodedPayload) -> dict[str, Any]:
    return {name: getattr(item.info, name) for name in item.info.__struct_fields__}


def test_one_content_in_other_forms_or_compression_lies_apart(store: PayloadStore) -> None:
    items = [encoded("12"), encoded(12), encoded(b"12"), encoded("12", 0), encoded(12, 0)]
    assert len({item.info.sha256 for item in items}) == 1
    paths = {store.write_digest(item.info, item.data) for item in items}
    assert len(paths) == len(items)
    for item in items:
        assert store.read_digest(item.info) == b"12"


def test_hard_names_share_no_payload(store: PayloadStore, place: Place) -> None:
    for name in HARD_NAMES:
        item = encoded(f"payload of {name!r}")
        store.write(name, REF, item.info, item.data)
    for name in HARD_NAMES:
        item = encoded(f"payload of {name!r}")
        assert store.read(name, REF, item.info).decode() == f"payload of {name!r}"
    assert place.kept()[0] == len(HARD_NAMES)


def test_what_was_never_written_is_missing(store: PayloadStore, place: Place) -> None:
    item = encoded("here")
    store.write(SESSION, REF, item.info, item.data)
    other = derived_ref("other")
    assert not store.exists(SESSION, other, item.info)
    assert not store.exists_digest(item.info)
    with pytest.raises(PayloadMissing, match=rf"^{place.where}.*{other}.* does not exist"):
        store.read(SESSION, other, item.info)
    with pytest.raises(PayloadMissing, match="sha256-"):
        store.read_digest(item.info)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[::-1],
        lambda data: gzip.compress(b"another payload", mtime=0),
        lambda data: gzip.compress(b"x" * 100_000, mtime=0),
    ],
    ids=["empty", "cut", "reversed", "other", "bomb"],
)
@pytest.mark.parametrize("payload", ["short", {"long": "x" * 5000}], ids=["plain", "gzip"])
def test_damage_is_found_on_read(
    store: PayloadStore, place: Place, damage: Any, payload: Any
) -> None:
    item = encoded(payload)
    path = store.write(SESSION, REF, item.info, item.data)
    place.overwrite(path, damage(item.data))
    with pytest.raises(PayloadDamaged, match=rf"{REF}.*restore"):
        store.read(SESSION, REF, item.info)


def test_a_file_with_more_in_it_is_damaged(store: PayloadStore, place: Place) -> None:
    item = encoded("short")
    place.overwrite(store.write(SESSION, REF, item.info, item.data), b"shorter")
    with pytest.raises(PayloadDamaged, match="7 bytes do not match the 5 bytes"):
        store.read(SESSION, REF, item.info)


def test_bytes_that_are_not_the_described_ones_are_not_written(
    store: PayloadStore, place: Place
) -> None:
    item, other = encoded("one"), encoded("two")
    with pytest.raises(PayloadDamaged):
        store.write(SESSION, REF, item.info, other.data)
    with pytest.raises(PayloadDamaged):
        store.write_digest(item.info, other.data)
    assert place.kept() == (0, 0)


def test_writing_again_changes_nothing_and_heals_damage(store: PayloadStore, place: Place) -> None:
    item = encoded({"x": "y" * 3000})
    path = store.write(SESSION, REF, item.info, item.data)
    place.overwrite(path, b"damaged")
    assert store.write(SESSION, REF, item.info, item.data) == path
    assert len(store.read(SESSION, REF, item.info)) == item.info.size
    assert place.kept() == (1, len(item.data))


def test_writers_of_one_payload_all_succeed_and_readers_see_no_part(
    store: PayloadStore, place: Place
) -> None:
    item = encoded(bytes(range(256)) * 4096)
    done = threading.Event()
    store.write_digest(item.info, item.data)  # makes the root

    def write(_: int) -> list[str]:
        return [store.write(SESSION, REF, item.info, item.data) for _ in range(8)]

    def read() -> int:
        seen = 0
        while not done.is_set():
            try:
                seen += len(store.read(SESSION, REF, item.info)) == item.info.size
            except PayloadMissing:
                assert seen == 0, "a file that was there went away"
        return seen

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        paths = list(itertools.chain(*pool.map(write, range(4))))
        done.set()
        for reader in readers:
            reader.result()
    assert len(paths) == 32
    assert len(set(paths)) == 1
    assert place.kept() == (2, 2 * len(item.data))
