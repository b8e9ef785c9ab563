"""Any value as JSON for a log line: bounded, without secrets, whatever the value is.

A log line is no record: what is long or deep is cut, and says so. The log of events is where
things are kept whole.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Mapping
from datetime import date, time
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from pydantic import BaseModel

from eventstore.redaction import names_secret
from eventstore.settings_models import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventstore.redaction import Redactor

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_TEXT: Final = 16_384
MAX_TOTAL: Final = 262_144
MAX_DEPTH: Final = 16
_FULL: Final = "(left out: the line is full)"
_DEEP: Final = "(left out: too deep)"
# Cut to this before secrets are looked for: far more than is shown, since no part of a secret
# that the cut goes through may be.
_MAX_SEARCHED: Final = 16 * MAX_TEXT
_SEQUENCES: Final = (list, tuple, set, frozenset, deque)
# What each value costs of the total besides its text, so that endless cheap ones end as well.
_COST: Final = 8


class Plain:
    """Makes the values of one line JSON; all of them together have `MAX_TOTAL` characters."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._left = MAX_TOTAL

    def value(self, value: object, depth: int = 0) -> Json:
        """Return a value as JSON; never raises."""
        self._left -= _COST
        if depth > MAX_DEPTH:
            return _DEEP
        try:
            return self._value(value, depth)
        except Exception as error:  # noqa: BLE001 - a value's own methods may raise anything
            return f"({type(value).__name__} that cannot be shown: {type(error).__name__})"

    def text(self, text: str, *, end: bool = False) -> str:
        """Return a text without secrets, cut to `MAX_TEXT`; `end` keeps its end, not its start."""
        room = max(0, min(MAX_TEXT, self._left))
        part = text[-_MAX_SEARCHED:] if end else text[:_MAX_SEARCHED]
        clean = self._redactor.text(part).encode("utf-8", "backslashreplace").decode()
        if len(part) < len(text) or len(clean) > room:
            kept = clean[max(0, len(clean) - room) :] if end else clean[:room]
            note = f"({len(text):,} characters)"
            clean = f"{note} …{kept}" if end else f"{kept}… {note}"
        self._left -= len(clean)
        return clean

    def _value(self, value: object, depth: int) -> Json:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and not isinstance(value, Enum):
            return self.text(value)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, _SEQUENCES):
            return self._sequence(value, depth)
        return self._other(value, depth)

    def _sequence(self, given: Iterable[object], depth: int) -> list[Json]:
        shown: list[Json] = []
        for item in given:
            if self._left <= 0:
                shown.append(_FULL)
                break
            shown.append(self.value(item, depth + 1))
        return shown

    def _mapping(self, given: Mapping[Any, Any], depth: int) -> dict[str, Json]:
        shown: dict[str, Json] = {}
        # A copy: another thread may be adding to it.
        for key, value in dict(given).items():
            if self._left <= 0:
                shown["…"] = _FULL
                break
            name = self.text(key if isinstance(key, str) else str(key))
            if name in shown:
                name = f"{name} ({type(key).__name__})"
            hidden = names_secret(name) and value is not None and not isinstance(value, bool)
            shown[name] = MASK if hidden else self.value(value, depth + 1)
        return shown

    def _other(self, value: object, depth: int) -> Json:
        if isinstance(value, Enum):
            return self.value(value.value, depth + 1)
        if isinstance(value, int):
            return int(value) if value.bit_length() < 64 else f"{value:#x}"
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"({len(value)} bytes)"
        if isinstance(value, (date, time)):
            return value.isoformat()
        if isinstance(value, BaseException):
            return self.text(f"{type(value).__name__}: {value}")
        parts = _parts(value)
        return self.text(repr(value)) if parts is None else self._mapping(parts, depth)


def _parts(value: object) -> Mapping[str, Any] | None:
    """Return the fields of a value that is made of fields, None for another."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, BaseModel):
        return value.model_dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None
