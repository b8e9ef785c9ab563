"""Reading a file of JSON records whole, or saying exactly where it is broken."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from eventstore.errors import ImportRefused
from eventstore.json_values import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Events wrap parts of a record in a few levels of their own.
MAX_RECORD_DEPTH: Final = MAX_DEPTH - 8
MAX_DIGITS: Final = 1_000

_BOM: Final = b"\xef\xbb\xbf"
_BLANKS: Final = re.compile(r"[ \t\n\r]*")
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


class JsonFile(msgspec.Struct, frozen=True):
    """The records of a file: the elements of one array, or objects one after the other (JSONL).

    Every record can be written as JSON again with nothing lost: finite numbers, Unicode text,
    no repeated keys, at most `MAX_RECORD_DEPTH` levels.
    """

    path: str
    records: list[Any]

    def refused(self, index: int, field: str, problem: str) -> ImportRefused:
        """Return the error for a field of a record; `field` may be empty for the whole record."""
        return ImportRefused(self.path, place_in_record(index, field), problem)


def place_in_record(index: int, field: str) -> str:
    """Return how an error names a field, as in `record 17, traj[3].role`; records count from 0."""
    return f"record {index}, {field.removeprefix('.')}" if field else f"record {index}"


def read_json_file(path: Path) -> JsonFile:
    """Read and check a file of records.

    Raises `ImportRefused`: without a place if the file cannot be read, at a byte if it is not JSON,
    at a record and field if a value cannot be kept as it is.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImportRefused(str(path), "", f"cannot be read: {error.strerror or error}") from error
    return parse_json_records(str(path), data)


def parse_json_records(path: str, data: bytes) -> JsonFile:
    """Check the bytes of a file of records; raises as `read_json_file` does."""
    start = len(_BOM) if data.startswith(_BOM) else 0
    try:
        text = data[start:].decode()
    except UnicodeDecodeError as error:
        problem = "not UTF-8 text, so not JSON; is the file binary or compressed?"
        raise ImportRefused(path, f"byte {start + error.start}", problem) from None
    try:
        values = list(_values(text))
    except json.JSONDecodeError as error:
        where = start + len(text[: error.pos].encode())
        raise ImportRefused(path, f"byte {where}", _parse_problem(text, error)) from None
    except RecursionError:
        where = _too_deep(data)
        problem = f"nested deeper than {MAX_RECORD_DEPTH} levels"
        raise ImportRefused(path, f"byte {where}", problem) from None
    file = JsonFile(path, _records(path, values, start))
    for index, record in enumerate(file.records):
        flaw = find_flaw(record)
        if flaw is not None:
            raise file.refused(index, *flaw)
    return file


def find_flaw(value: object) -> tuple[str, str] | None:
    """Return the field and problem of the first part that could not be kept as it is."""
    pending: list[tuple[object, str, int]] = [(value, "", 1)]
    while pending:
        item, where, depth = pending.pop()
        if isinstance(item, _Flaw):
            return where, item.problem
        if isinstance(item, str):
            if not _is_text(item):
                return where, "holds a lone surrogate, which is not Unicode text"
        elif isinstance(item, (dict, list)):
            if depth > MAX_RECORD_DEPTH:
                return where[:80], f"nested deeper than {MAX_RECORD_DEPTH} levels"
            if isinstance(item, list):
                children = [(part, f"{where}[{i}]", depth + 1) for i, part in enumerate(item)]
            elif not all(map(_is_text, item)):
                return where, "has a key with a lone surrogate, which is not Unicode text"
            else:
                children = [(part, f"{where}.{key}", depth + 1) for key, part in item.items()]
            pending.extend(reversed(children))
    return None


class _Flaw:
    """What stands in a parsed document for a value that could not be kept as it is."""

    def __init__(self, problem: str) -> None:
        self.problem = problem


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Flaw:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return _Flaw(f"has the key {key[:80]!r} twice; which value holds is not defined")
        seen.add(key)
    raise AssertionError("an object lost keys, but none is there twice")


def _integer(digits: str) -> int | _Flaw:
    if len(digits) > MAX_DIGITS:
        return _Flaw(f"a whole number of {len(digits)} digits; at most {MAX_DIGITS} can be kept")
    return int(digits)


def _number(digits: str) -> float | _Flaw:
    value = float(digits)
    return value if math.isfinite(value) else _Flaw(f"{digits[:40]} is beyond any float")


def _constant(name: str) -> _Flaw:
    return _Flaw(f"{name} is not a JSON number")


def _values(text: str) -> Iterator[Any]:
    """Decode the values that stand one after the other in a text, at least one."""
    decoder = json.JSONDecoder(
        object_pairs_hook=_object,
        parse_int=_integer,
        parse_float=_number,
        parse_constant=_constant,
    )
    position = _after_blanks(text, 0)
    while True:
        value, position = decoder.raw_decode(text, position)
        yield value
        position = _after_blanks(text, position)
        if position == len(text):
            return
        if not isinstance(value, (dict, _Flaw)):
            raise json.JSONDecodeError("Extra data", text, position)


def _after_blanks(text: str, position: int) -> int:
    found = _BLANKS.match(text, position)
    assert found is not None
    return found.end()


def _records(path: str, values: list[Any], start: int) -> list[Any]:
    if isinstance(values[0], (dict, _Flaw)):
        return values
    if isinstance(values[0], list):
        return values[0]
    problem = "the file holds one bare value; records are an array of objects or objects in lines"
    raise ImportRefused(path, f"byte {start}", problem)


def _parse_problem(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "the file is empty"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"not JSON: {error.msg}, and the file ends; it seems to be cut short"
    return f"not JSON: {error.msg}"


def _too_deep(data: bytes) -> int:
    """Return the byte at which brackets nest deeper than a record may."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(data):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found.group(), 0)
        # The array around the records is one level more.
        if depth > MAX_RECORD_DEPTH + 1:
            return found.start()
    raise AssertionError("the parser found more levels than there are")


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
