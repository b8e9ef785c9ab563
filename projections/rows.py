"""Rows that a fold reads, changes and writes back: JSON objects in fields of hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from projections.base import Read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projections.base import State
    from projections.writes import Writes

Row = dict[str, Any]
encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Row).decode


class Wanted:
    """Fields that a fold will ask for, each once, as few reads."""

    def __init__(self) -> None:
        self._fields: dict[str, dict[str, None]] = {}
        self._whole: dict[str, None] = {}

    def add(self, key: str, field: str) -> None:
        """Ask for a field of a hash."""
        self._fields.setdefault(key, {})[field] = None

    def add_all(self, key: str) -> None:
        """Ask for all fields of a hash."""
        self._whole[key] = None

    def reads(self) -> list[Read]:
        """Return the reads: one for the fields of a hash, one for a whole hash."""
        return [
            *(Read("HMGET", key, tuple(fields)) for key, fields in self._fields.items()),
            *(Read("HGETALL", key) for key in self._whole),
        ]


class Rows:
    """The rows as they were before a batch, changed as the fold goes along."""

    def __init__(self, state: State) -> None:
        self._rows: dict[tuple[str, str], Row | None] = {
            (read.key, field): None if value is None else _decode(value)
            for read, reply in state.items()
            for field, value in _pairs(read, reply)
        }
        self._changed: dict[tuple[str, str], Row] = {}

    def get(self, key: str, field: str) -> Row | None:
        """Return a row, None if there is none. A row that was not declared is a KeyError."""
        return self._rows[key, field]

    def all(self, key: str) -> list[Row]:
        """Return all rows of a hash that was asked for as a whole, and those put since."""
        return [row for (of, _), row in self._rows.items() if of == key and row is not None]

    def put(self, key: str, field: str, row: Row) -> None:
        """Set a row; the caller may go on changing it until `write`."""
        self._rows[key, field] = self._changed[key, field] = row

    def write(self, writes: Writes) -> None:
        """Add the rows that were put to a fold's writes."""
        for (key, field), row in self._changed.items():
            writes.set_field(key, field, encode(row))


def _pairs(read: Read, reply: list[bytes | None]) -> Iterator[tuple[str, bytes | None]]:
    """Yield the fields that a read found, with their values."""
    if read.command == "HGETALL":
        names = (name.decode() for name in reply[::2] if name is not None)
        return zip(names, reply[1::2], strict=True)
    return zip(read.args, reply, strict=True)
