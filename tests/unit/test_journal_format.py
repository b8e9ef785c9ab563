"""Segments of the journal: the bytes that docs/format.md names, and exactly the entry again."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from support.format_page import block, pairs

from eventstore.drafts import MAX_HEADER_BYTES
from eventstore.errors import JournalDamaged, UndecodableEvent
from eventstore.journal_format import (
    FIELDS,
    MAX_LINE_BYTES,
    MAX_SEGMENT_BYTES,
    Segment,
    decode_line,
    decode_segment,
    encode_line,
    encode_segment,
    segment_of,
)
from eventstore.log_reader import PAGE
from eventstore.names import MAX_NAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.journal_format import Entry


def golden(number: int = 1) -> Entry:
    """Return an entry of the page's example."""
    written = pairs(f"entry 0-{number}") | {"at": "1767225600000"}
    values: list[bytes] = []
    for name in FIELDS:
        text = written.get(name, "")
        value = bytes.fromhex(text[2:]) if name == "header" else text.encode()
        values += (name.encode(), value)
    return f"0-{number}".encode(), values


def test_a_line_and_a_name_are_as_written_down() -> None:
    (line,) = block("json line")
    assert encode_line(golden()) == f"{line}\n".encode()
    segment, data = encode_segment([golden()])
    assert [segment.name] == block("segment")
    assert gzip.decompress(data) == f"{line}\n".encode()
    assert data[4:8] == bytes(4), "a time would make another file of the same events"


def test_a_line_is_the_entry_again() -> None:
    for number in (1, 2):
        assert decode_line(encode_line(golden(number))) == golden(number)


@pytest.mark.parametrize("value", [b"\xff\x00", b"", bytes(range(256))])
def test_any_header_and_any_text_come_back(value: bytes) -> None:
    id_, values = golden()
    hostile = list(values)
    hostile[2 * FIELDS.index("header") + 1] = value
    hostile[2 * FIELDS.index("session") + 1] = 'a"\\\n\x00ü\u2028'.encode()
    line = encode_line((id_, hostile))
    assert line.count(b"\n") == 1
    assert len(line.splitlines()) == 1
    assert decode_line(line) == (id_, hostile)


def test_an_entry_of_other_fields_is_refused() -> None:
    id_, values = golden()
    with pytest.raises(UndecodableEvent, match="position 1"):
        encode_line((id_, values[:-2]))


def test_a_segment_comes_back_and_its_name_is_read() -> None:
    entries = [golden(1), golden(2)]
    segment, data = encode_segment(entries)
    assert decode_segment(segment, data, "here") == entries
    assert segment_of(segment.name) == segment


@pytest.mark.parametrize("name", ["x", "1-2-0123456789abcdef.ndjson.gz", ".a.ndjson.gz.part"])
def test_other_files_are_no_segments(name: str) -> None:
    assert segment_of(name) is None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data[:-3], "cannot be read"),
        (lambda data: b"", "cannot be read"),
        (lambda data: gzip.compress(b""), "does not hold the positions"),
        (lambda data: data + b"\0", "cannot be read .* behind the end"),
        (lambda data: data + data, "cannot be read .* behind the end"),
        (lambda data: gzip.compress(b"\n" * 10**6), "cannot be read .*expands to more"),
        (lambda data: gzip.compress(b"\n" * 1000), "cannot be read .*truncated"),
        (lambda data: b"plain", "cannot be read"),
        (lambda data: gzip.compress(b"{}\n"), "cannot be read"),
        (lambda data: gzip.compress(gzip.decompress(data) * 2), "does not hold the positions"),
    ],
)
def test_what_is_not_whole_is_named(spoil: Callable[[bytes], bytes], said: str) -> None:
    segment, data = encode_segment([golden()])
    with pytest.raises(JournalDamaged, match=f"^here: {said}"):
        decode_segment(segment, spoil(data), "here")


def test_another_chain_than_the_name_says_is_found() -> None:
    _, data = encode_segment([golden()])
    with pytest.raises(JournalDamaged, match="the chain that its name says"):
        decode_segment(Segment(1, 1, "0" * 16), data, "here")


@pytest.mark.parametrize("first", [1, 10**19])
def test_a_name_that_promises_nothing_or_too_much_is_damaged(first: int) -> None:
    _, data = encode_segment([golden()])
    for segment in (Segment(first, 0, "0" * 16), Segment(1, 10**20 - 1, "0" * 16)):
        with pytest.raises(JournalDamaged, match=r"cannot be read|does not hold"):
            decode_segment(segment, data, "here")
        with pytest.raises(JournalDamaged, match=r"cannot be read|does not hold"):
            decode_segment(segment, gzip.compress(b""), "here")


def test_a_line_that_no_reader_would_take_is_not_written() -> None:
    id_, values = golden()
    hostile = list(values)
    hostile[2 * FIELDS.index("header") + 1] = bytes(MAX_LINE_BYTES)
    with pytest.raises(UndecodableEvent, match="position 1: the entry is longer"):
        encode_line((id_, hostile))


def test_the_longest_line_is_far_shorter_than_a_reader_takes() -> None:
    id_, values = golden()
    longest = {name.encode(): b"\x00" * (MAX_NAME_BYTES + 10) for name in FIELDS}
    longest[b"header"] = bytes(MAX_HEADER_BYTES + 64)
    line = encode_line((id_, [longest[v] if n % 2 else v for n, v in paired(values)]))
    assert len(line) < MAX_LINE_BYTES
    assert MAX_LINE_BYTES * PAGE <= MAX_SEGMENT_BYTES


def paired(values: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Return fields with, in place of each value, its name."""
    return [(n, values[n - n % 2]) for n in range(len(values))]


LINES = [
    lambda line: line.replace(b'"position":1', b'"position":"1"'),
    lambda line: line.replace(b'"position":1', b'"position":' + b"9" * 5_000),
    lambda line: line.replace(b'"v":"1"', b'"v":1'),
    lambda line: line.replace(b'"seq":', b'"sec":'),
    lambda line: line.replace(b'"}', b'","x":' + b"[" * 100_000),
    lambda line: line.replace(b"planner", b"\\ud800"),
    lambda line: line.replace(b"planner", b"\xff"),
    lambda line: line.replace(b'"header":"', b'"header":" '),
    lambda line: b"[" * 100_000,
    lambda line: b"",
]


@pytest.mark.parametrize("spoil", LINES)
def test_what_is_no_line_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_line(spoil(encode_line(golden())))
