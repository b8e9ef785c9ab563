"""A file of records is read whole, or refused at the byte or field that is broken."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from consumers.importing.json_file import (
    MAX_DIGITS,
    MAX_RECORD_DEPTH,
    parse_json_records,
    read_json_file,
)
from eventstore.errors import ImportRefused

if TYPE_CHECKING:
    from pathlib import Path

DEEP = 100_000


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(ImportRefused) as caught:
        parse_json_records("runs.json", data)
    message = str(caught.value)
    assert caught.value.path == "runs.json"
    assert message.startswith(f"runs.json: {caught.value.where}: ")
    return caught.value.where, message


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("[]", []),
        (" [ ] \n", []),
        ('[{"a": 1}]', [{"a": 1}]),
        ('{"a": 1}', [{"a": 1}]),
        ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ('\n{"a": 1}\r\n\r\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        ('[1, "x", null, [2]]', [1, "x", None, [2]]),
        ('[{"\\u00e9": "\\ud83d\\ude00"}]', [{"é": "😀"}]),
        (f"[{10**MAX_DIGITS - 1}]", [10**MAX_DIGITS - 1]),
        ("[1e308, -0.0, 5e-324]", [1e308, -0.0, 5e-324]),
    ],
)
def test_records_are_read(text: str, records: list[Any]) -> None:
    assert parse_json_records("f", text.encode()).records == records
    assert parse_json_records("f", b"\xef\xbb\xbf" + text.encode()).records == records


@pytest.mark.parametrize(
    ("data", "where", "problem"),
    [
        (b"", "byte 0", "the file is empty"),
        (b" \n ", "byte 3", "the file is empty"),
        (b"\xef\xbb\xbf", "byte 3", "the file is empty"),
        (b"[{]", "byte 2", "not JSON: Expecting property name"),
        (b'[{"a": 1}', "byte 9", "cut short"),
        (b'[{"a": 1},', "byte 10", "cut short"),
        (b'[{"a": "hal', "byte 7", "cut short"),
        (b'["\xc3\xa9", nul]', "byte 7", "not JSON: Expecting value"),
        (b'\xef\xbb\xbf["\xc3\xa9", nul]', "byte 10", "not JSON: Expecting value"),
        (b"[1] [2]", "byte 4", "not JSON: Extra data"),
        (b"[1]]", "byte 3", "not JSON: Extra data"),
        (b'{"a": 1}\n{"a": }', "byte 15", "not JSON: Expecting value"),
        (b'{"a": 1}\n[2]\n3', "byte 13", "not JSON: Extra data"),
        (b'{"a": "\t"}', "byte 7", "not JSON: Invalid control character"),
        (b"[.5]", "byte 1", "not JSON: Expecting value"),
        (b"[01]", "byte 2", "not JSON"),
        (b"7", "byte 0", "one bare value"),
        (b'"text"', "byte 0", "one bare value"),
        (b'[{"a": "\xff"}]', "byte 8", "not UTF-8"),
        (b"\xff\xfe[\x00]\x00", "byte 0", "not UTF-8"),
        (bytes(range(256)), "byte 128", "is the file binary"),
        (b"\0\0\0\0", "byte 0", "not JSON: Expecting value"),
        (gzip.compress(b"[]", mtime=0), "byte 1", "binary or compressed"),
        (nested(DEEP).encode(), f"byte {MAX_RECORD_DEPTH + 1}", "nested deeper"),
        (b'[{"a": "[[\\"[["}, ' + nested(DEEP).encode(), "byte 266", "nested deeper"),
        (b"[" * DEEP, f"byte {MAX_RECORD_DEPTH + 1}", "nested deeper"),
    ],
)
def test_a_file_that_does_not_parse_is_refused_at_its_byte(
    data: bytes, where: str, problem: str
) -> None:
    assert refusal(data)[0] == where
    assert problem in refusal(data)[1]


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ('[{}, {"a": [0, NaN]}]', "record 1, a[1]", "NaN is not a JSON number"),
        ('[{"a": -Infinity}]', "record 0, a", "-Infinity is not a JSON number"),
        ('[{"a": 1e999}]', "record 0, a", "1e999 is beyond any float"),
        (f'[{{"a": 1{"0" * MAX_DIGITS}}}]', "record 0, a", f"of {MAX_DIGITS + 1} digits"),
        (f'[{{"a": {"9" * 5000}}}]', "record 0, a", "of 5000 digits"),
        ('[{"a": {"b": 1, "c": 2, "b": 1}}]', "record 0, a", "the key 'b' twice"),
        ('{"a": 1, "a": 2}', "record 0", "the key 'a' twice"),
        ('[1, {"a": ["\\ud800"]}]', "record 1, a[0]", "lone surrogate"),
        ('[{"a": {"\\udfff": 1}}]', "record 0, a", "lone surrogate"),
        ('{"a": 1}\n{"a": {"b": NaN}}', "record 1, a.b", "NaN"),
        (f'[{{"a": {nested(MAX_RECORD_DEPTH)}}}]', "record 0, a[0]", "nested deeper"),
    ],
)
def test_a_value_that_could_not_be_kept_is_refused_at_its_field(
    text: str, where: str, problem: str
) -> None:
    found, message = refusal(text.encode())
    assert found.startswith(where)
    assert problem in message


def test_the_deepest_record_that_is_accepted_is_as_deep_as_said() -> None:
    assert len(parse_json_records("f", f"[{nested(MAX_RECORD_DEPTH)}]".encode()).records) == 1
    assert refusal(f"[{nested(MAX_RECORD_DEPTH + 1)}]".encode())[0].startswith("record 0, [0][0]")


def test_a_file_cut_anywhere_is_refused_at_a_byte_that_it_has(tmp_path: Path) -> None:
    text = json.dumps([{"task": "é", "traj": [{"n": -1.5e3, "t": True}, None]}], ensure_ascii=False)
    data = text.encode()
    for end in range(len(data)):
        where, _ = refusal(data[:end])
        assert 0 <= int(where.removeprefix("byte ")) <= end


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(ImportRefused, match=f"{path}: cannot be read: "):
            read_json_file(path)
