"""An event as a line of JSON, with its payload: what exports write and imports read.

A line holds all that an event is, except what is a store's own: position, chain and the time of
the append. `digest` is the content's, as in the log; `check` covers the bytes of the line before
it, so that a line that was damaged is told from an event. `docs/format.md` fixes the bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from eventstore.codec import digest_of_fields, event_of, fields_of
from eventstore.drafts import Draft, draft
from eventstore.errors import ChainBroken, ExportRefused, InvalidInput, UndecodableEvent
from eventstore.events import BranchForked, UnknownEvent, branch_lane
from eventstore.headers import check_fields
from eventstore.json_values import check_json
from eventstore.kinds import KINDS
from eventstore.payloads import encode_payload

if TYPE_CHECKING:
    from eventstore.codec import Recorded
    from eventstore.events import Event, Fields
    from eventstore.payloads import PayloadInfo

LINE_START: Final = b'{"kind":"'
"""How every line begins, so that a file of them is known by its first bytes."""

# As a line names them, as the event does.
_NAMES: Final = {"session": "session_id", "agent": "agent_id", "branch": "branch_id"}
_FLAT: Final = ("kind", "ref", "session_id", "agent_id", "branch_id", "type", "ts")
_CHECK: Final = re.compile(rb',"check":"([0-9a-f]{16})"\}\s*\Z')
_HEADER_BITS: Final = 63
_encoder: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
)


class EventLine(NamedTuple):
    """An event of a line, ready to be appended, and the numbers that it had.

    `start` are the lanes that the event opens, with the first index of each.
    """

    draft: Draft
    seq: int
    idx: int
    start: dict[str, int]


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    v: int
    ref: str
    session: str
    agent: str
    branch: str
    type: str
    lane: str
    idx: int
    seq: int
    ts: str
    header: dict[str, Any]
    digest: str
    check: str
    payload: Any = msgspec.UNSET
    payload_base64: str | msgspec.UnsetType = msgspec.UNSET


def encode_line(recorded: Recorded, payload: Any) -> bytes:
    """Return an event with its payload as a line, with its newline.

    An event that is stored in an older schema version is written in the current one. Raises
    `ExportRefused` for a payload that a line would not give back exactly, and `ChainBroken` for
    an event that is not what its digest says.
    """
    event = recorded.event
    fields = fields_of(event)
    known = not isinstance(event, UnknownEvent)
    version = KINDS[event.kind].VERSION if known else recorded.version
    digest = digest_of_fields(fields, version).hex()
    if version == recorded.version and digest != recorded.digest:
        raise ChainBroken(
            recorded.partition,
            recorded.position,
            "the event is not what its digest says; `eventstore log verify` shows more",
        )
    line: dict[str, Any] = {
        "kind": event.kind,
        "v": version,
        "ref": event.ref,
        "session": event.session_id,
        "agent": event.agent_id,
        "branch": event.branch_id,
        "type": fields.get("type", ""),
        "lane": event.lane,
        "idx": recorded.index,
        "seq": recorded.seq,
        "ts": event.ts,
        "header": {name: fields[name] for name in sorted(fields) if name not in _FLAT},
        "digest": digest,
    }
    if event.payload is not None:
        line |= _payload_fields(event.ref, event.payload, payload)
    try:
        body = _encoder.encode(line)[:-1].encode()
    except ValueError as error:
        raise ExportRefused(event.ref, f"it holds what JSON cannot ({error})") from error
    return b'%s,"check":"%s"}\n' % (body, _check_of(body))


def decode_line(data: bytes) -> EventLine:
    """Return the event of a line; raises `InvalidInput` that says what is wrong with it."""
    found = _CHECK.search(data)
    if found is None:
        raise InvalidInput("is no exported event, or one that was cut: it does not end in a check")
    if _check_of(data[: found.start()]) != found[1]:
        raise InvalidInput("is damaged: its bytes are not those of its check")
    line = _parse(data)
    fields = _fields_of_line(line)
    if line.kind not in KINDS:
        raise InvalidInput(
            f"is of kind {line.kind!r}, which this version does not know; upgrade eventstore "
            "before importing it"
        )
    try:
        event = event_of(line.v, fields)
    except (UndecodableEvent, msgspec.ValidationError) as error:
        raise InvalidInput(f"holds no {line.kind} event: {error}") from error
    check_fields(fields if line.v == event.VERSION else fields_of(event))
    if event.lane != line.lane:
        raise InvalidInput(f"is in lane {line.lane!r}; its kind belongs in {event.lane!r}")
    item = _draft(event, line)
    if line.v == event.VERSION and item.digest.hex() != line.digest:
        raise InvalidInput("holds fields that this version does not know; upgrade eventstore")
    start = _start_of(event)
    if any(index < 0 for index in start.values()):
        raise InvalidInput("opens its branch at a step below 0")
    return EventLine(item, line.seq, line.idx, start)


def _check_of(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()


def _parse(data: bytes) -> _Line:
    try:
        line = msgspec.convert(json.loads(data), _Line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"is no exported event: {error}") from error
    if line.seq < 0 or line.idx < 0:
        raise InvalidInput("has a number below 0 for its seq or idx")
    return line


def _fields_of_line(line: _Line) -> Fields:
    """Return the fields of an event, checked against its digest."""
    if not line.header.keys().isdisjoint(_FLAT):
        raise InvalidInput("names a field twice, in its header and outside of it")
    check_json(line.header, "header", _HEADER_BITS)
    fields: Fields = {**line.header, "kind": line.kind, "ref": line.ref, "ts": line.ts}
    fields |= {name: getattr(line, short) for short, name in _NAMES.items()}
    if line.type:
        fields["type"] = line.type
    try:
        digest = digest_of_fields(fields, line.v).hex()
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InvalidInput(f"holds no event ({error})") from error
    if digest != line.digest:
        raise InvalidInput("is not what its digest says")
    return fields


def _payload_fields(ref: str, info: PayloadInfo, payload: Any) -> dict[str, Any]:
    if encode_payload(payload, info.form, sys.maxsize).info.sha256 != info.sha256:
        raise ExportRefused(ref, "its payload would not come back as the same bytes")
    if info.form == "bin":
        return {"payload_base64": base64.b64encode(payload).decode()}
    return {"payload": payload}


def _draft(event: Event, line: _Line) -> Draft:
    info = event.payload
    if info is None:
        if line.payload is not msgspec.UNSET or line.payload_base64 is not msgspec.UNSET:
            raise InvalidInput("brings a payload that its header does not describe")
        return draft(event)
    # Compressed as it was, whatever this store would do, so that the header stays the same.
    encoded = encode_payload(_payload(info, line), info.form, -1 if info.gzip else sys.maxsize)
    if (encoded.info.size, encoded.info.sha256) != (info.size, info.sha256):
        raise InvalidInput("brings another payload than its header describes")
    kept = encoded.info
    if info.place == "digest" and encoded.data:
        kept = msgspec.structs.replace(kept, place="digest")
    return draft(msgspec.structs.replace(event, payload=kept), encoded.data)


def _payload(info: PayloadInfo, line: _Line) -> Any:
    binary = info.form == "bin"
    given, other = line.payload, line.payload_base64
    if binary:
        given, other = other, given
    if given is msgspec.UNSET or other is not msgspec.UNSET:
        raise InvalidInput(f"brings no payload of the form {info.form}")
    if info.form == "text" and not isinstance(given, str):
        raise InvalidInput("payload: is not text, as its header says")
    if not binary:
        return given
    try:
        return base64.b64decode(given, validate=True)
    except ValueError as error:
        raise InvalidInput(f"payload_base64: is not base64 ({error})") from error


def _start_of(event: Event) -> dict[str, int]:
    """Return the lanes that an event opens: a fork, the branch at its own first step."""
    return {branch_lane(event.branch_id): event.own} if isinstance(event, BranchForked) else {}
