"""What a log line says: a record of `logging`, with or without fields of its own, as JSON.

    {"ts": …, "level": …, "logger": …, "message": …, "pid": …, "worker": …, fields, "exception": …}

`ts` is in UTC with milliseconds. `worker` is there in worker processes alone, and `exception`
(type, message, traceback) and `stack` where there is one. The fields are those bound by
`bus.bind`, a traceparent as `trace_id` and `span_id`, and over them those of the record. A
field whose name is taken by the line itself is found under `fields`.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from eventstore.binding import bound
from eventstore.logs_values import Plain
from eventstore.times import from_milliseconds

if TYPE_CHECKING:
    from eventstore.logs_values import Json
    from eventstore.redaction import Redactor

OWN: Final = frozenset(
    ("ts", "level", "logger", "message", "pid", "worker", "exception", "stack", "fields")
)
# The attributes that every record has; another one came by `extra=`.
_STANDARD: Final = frozenset(
    (*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName")
)
# JSON allows them inside text, but many programs take them for the end of a line.
_LINE_ENDS: Final = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


class Fields(dict[str, Any]):
    """The fields that a program logs; handlers of others show them as short text."""

    def __init__(self, given: Mapping[Any, Any], redactor: Redactor) -> None:
        super().__init__(given)
        self._redactor = redactor

    def __str__(self) -> str:
        shown = _shown(self, Plain(self._redactor))
        return " ".join(part for part in (str(shown.pop("message", "")), as_pairs(shown)) if part)


class Lines:
    """Makes the lines of a process."""

    def __init__(self, redactor: Redactor, worker: str | None = None) -> None:
        self.redactor = redactor
        self._worker = worker

    def fields(self, record: logging.LogRecord) -> dict[str, Json]:
        """Return what the line of a record says, in its order."""
        plain = Plain(self.redactor)
        message, given = _content(record, plain)
        line: dict[str, Json] = {
            "ts": from_milliseconds(int(record.created * 1000)),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            "pid": record.process or os.getpid(),
        }
        if self._worker is not None:
            line["worker"] = self._worker
        hidden: dict[str, Json] = {}
        for name, value in _context(plain, given).items():
            (hidden if name in OWN else line)[name] = value
        if hidden:
            line["fields"] = hidden
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _exception(record.exc_info[1], plain)
        if record.stack_info:
            line["stack"] = plain.text(record.stack_info, end=True)
        return line


def encode(line: Mapping[str, Json]) -> bytes:
    """Return a line as bytes, its newline included; there is no other in it."""
    text = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"{text.translate(_LINE_ENDS)}\n".encode()


def as_pairs(fields: Mapping[str, Json]) -> str:
    """Return fields as `name=value` for a person; text without blanks stands unquoted."""
    return " ".join(f"{name}={_short(value)}" for name, value in fields.items())


def _short(value: Json) -> str:
    if isinstance(value, str) and value.isprintable() and not set(value) & set(" ='\""):
        return value
    return json.dumps(value, ensure_ascii=False)


def _content(record: logging.LogRecord, plain: Plain) -> tuple[Json, dict[str, Json]]:
    """Return the message of a record and its fields."""
    extra: dict[str, Any] = {
        name: value for name, value in vars(record).items() if name not in _STANDARD
    }
    if not isinstance(record.msg, Mapping):
        return _message(record, plain), _shown(extra, plain)
    given = _shown({**extra, **record.msg}, plain)
    return given.pop("message", ""), given


def _message(record: logging.LogRecord, plain: Plain) -> str:
    try:
        return plain.text(record.getMessage())
    except Exception as error:  # noqa: BLE001 - the arguments' own methods may raise anything
        what = plain.value(record.msg)
        return f"{what} (its arguments do not fit: {type(error).__name__})"


def _shown(fields: Mapping[Any, Any], plain: Plain) -> dict[str, Json]:
    shown = plain.value(fields)
    # A mapping whose own methods fail is shown as text.
    return shown if isinstance(shown, dict) else {"message": shown}


def _context(plain: Plain, given: Mapping[str, Json]) -> dict[str, Json]:
    """Return the fields given, behind those bound in this thread or task."""
    fields = {**_shown(bound(), plain), **given}
    traceparent = fields.get("traceparent")
    if isinstance(traceparent, str) and traceparent.count("-") == 3:
        del fields["traceparent"]
        _, trace_id, span_id, _ = traceparent.split("-")
        fields = {"trace_id": trace_id, "span_id": span_id, **fields}
    return fields


def _exception(error: BaseException, plain: Plain) -> dict[str, Json]:
    name = type(error).__name__
    return {
        "type": name,
        "message": str(plain.value(error)).removeprefix(f"{name}: "),
        "traceback": plain.text("".join(traceback.format_exception(error)), end=True),
    }
