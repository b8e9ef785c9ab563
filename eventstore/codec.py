"""How events lie in a stream entry. `docs/format.md` fixes it; golden-bytes tests hold it.

Entry fields, always all of them and in this order, so that Redis stores their names once a node:
kind v ref session agent branch type lane idx seq ts at header digest chain. `header` is
msgpack of the event's other fields, without those at their default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from eventstore.chain import content_digest
from eventstore.errors import UndecodableEvent
from eventstore.events import MAIN_BRANCH, Event, UnknownEvent
from eventstore.keys import position_of
from eventstore.kinds import KINDS, upcast

if TYPE_CHECKING:
    from collections.abc import Sequence

# Fields that lie flat in the entry; everything else is in its header.
_FLAT: Final = ("kind", "ref", "session_id", "agent_id", "branch_id", "type", "ts")
_TEXT_DEFAULTS: Final = tuple(
    (field.name, field.default)
    for field in msgspec.structs.fields(Event)
    if isinstance(field.default, str)
)
FILLED_IN: Final = ("ts", "correlation_id", "traceparent")
"""Fields that the store fills in: they may differ from call to call and are not content then."""
# Where the payload lies is the store's business, not part of the content.
_PLACEMENT: Final = ("gzip", "stored", "place")


def _plain(value: object) -> object:
    """Return the text or number that a value of a class derived from these is."""
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind.__str__(value) if kind is str else kind(value)
    raise TypeError(f"{type(value).__name__} cannot be written")


_encoder = msgspec.msgpack.Encoder(order="deterministic", enc_hook=_plain)
_decode_fields: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Recorded(msgspec.Struct, frozen=True):
    """An event as the log holds it.

    `position` counts from 1 in its partition, `seq` from 0 in its session, `index` from 0 (or
    where its lane was opened) in its lane. `appended_at` is the server's time in ms. `version` is
    the schema version that it is stored in; the event is brought up to the current one.
    """

    event: Event
    partition: int
    position: int
    seq: int
    index: int
    appended_at: int
    digest: str
    chain: str
    version: int = 1


def encode_event(event: Event) -> tuple[bytes, bytes]:
    """Return the header of an event and the 8-byte digest of its content.

    The header is the msgpack of the fields that do not lie flat in the entry. The content is
    what the caller gave.
    """
    fields = fields_of(event)
    digest = content_digest(_content(fields, KINDS[event.kind].VERSION))
    for name in _FLAT:
        fields.pop(name, None)
    return _encoder.encode(fields), digest


def digest_of(event: Event) -> bytes:
    """Return the 8-byte content digest of an event."""
    return encode_event(event)[1]


def fields_of(event: Event) -> dict[str, Any]:
    """Return the fields of an event, its kind included, but those at their default."""
    fields: dict[str, Any] = msgspec.to_builtins(event, enc_hook=_plain)
    # The encoder leaves out what *is* the default; a text that only equals it is no other content.
    for name, default in _TEXT_DEFAULTS:
        if fields.get(name) == default:
            del fields[name]
    if isinstance(event, UnknownEvent):
        fields["kind"] = fields.pop("unknown_kind")
        fields |= fields.pop("fields")
        del fields["own_lane"]
    return fields


def digest_of_fields(fields: dict[str, Any], version: int) -> bytes:
    """Return the 8-byte content digest of fields as `fields_of` gives them, in some version.

    Raises `ValueError`, `TypeError` or `AttributeError` for what is no event's.
    """
    return content_digest(_content(fields, version))


def event_of(version: int, fields: dict[str, Any]) -> Event:
    """Return the event of a known kind with these fields, in the version that they have.

    Raises `UndecodableEvent` or `msgspec.ValidationError`.
    """
    kind = fields["kind"]
    return msgspec.convert(upcast(kind, version, fields), KINDS[kind])


def encode_state(state: dict[str, Any] | None) -> bytes:
    """Return the msgpack of a lane's state, empty for none."""
    return b"" if state is None else _encoder.encode(state)


def decode_state(data: bytes) -> dict[str, Any]:
    """Return the lane state that `encode_state` wrote; raises `UndecodableEvent` for others."""
    try:
        return _decode_fields(data)
    except (ValueError, RecursionError) as error:
        raise UndecodableEvent(
            f"the state of a lane cannot be read ({error}); `eventstore log verify` shows how far "
            "the log is whole"
        ) from error


def decode_entry(partition: int, entry: tuple[bytes, Sequence[bytes]]) -> Recorded:
    """Return the event that a stream entry holds.

    A kind that this code does not know becomes an `UnknownEvent`. Raises `UndecodableEvent`
    for a newer schema version or damaged fields, naming the position.
    """
    flat, fields, position = _read_entry(partition, entry)
    kind = fields["kind"]
    try:
        version = int(flat[b"v"])
        if kind in KINDS:
            event = event_of(version, fields)
        else:
            event = _unknown(kind, flat[b"lane"].decode(), fields)
        return Recorded(
            event=event,
            partition=partition,
            position=position,
            seq=int(flat[b"seq"]),
            index=int(flat[b"idx"]),
            appended_at=int(flat[b"at"]),
            digest=flat[b"digest"].decode(),
            chain=flat[b"chain"].decode(),
            version=version,
        )
    except (UndecodableEvent, msgspec.ValidationError, ValueError) as error:
        raise UndecodableEvent(f"partition {partition}, position {position}: {error}") from error


def stored_digest(partition: int, entry: tuple[bytes, Sequence[bytes]]) -> str:
    """Return the content digest computed anew from a stored entry, as 16 hex digits.

    Raises `UndecodableEvent` for damaged fields, naming the position.
    """
    flat, fields, position = _read_entry(partition, entry)
    try:
        return digest_of_fields(fields, int(flat[b"v"])).hex()
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise UndecodableEvent(
            f"partition {partition}, position {position}: damaged fields ({error})"
        ) from error


def _read_entry(
    partition: int, entry: tuple[bytes, Sequence[bytes]]
) -> tuple[dict[bytes, bytes], dict[str, Any], int]:
    """Return the flat fields, the event's fields in the version stored, and the position."""
    entry_id, values = entry
    position = position_of(entry_id)
    try:
        flat = dict(zip(values[::2], values[1::2], strict=True))
        fields = _decode_fields(flat[b"header"])
        fields["kind"] = flat[b"kind"].decode()
        fields["ref"] = flat[b"ref"].decode()
        fields["session_id"] = flat[b"session"].decode()
        fields["agent_id"] = flat[b"agent"].decode()
        fields["branch_id"] = flat[b"branch"].decode()
        fields["ts"] = flat[b"ts"].decode()
        if flat[b"type"]:
            fields["type"] = flat[b"type"].decode()
        # Present in every entry, read by the caller.
        for name in (b"v", b"lane", b"idx", b"seq", b"at", b"digest", b"chain"):
            flat[name]
    except (KeyError, ValueError, RecursionError) as error:
        raise UndecodableEvent(
            f"partition {partition}, position {position}: not an entry of this store ({error!r}); "
            "`eventstore log verify` shows how far the log is whole"
        ) from error
    return flat, fields, position


def _content(fields: dict[str, Any], version: int) -> dict[str, Any]:
    content = {"branch_id": MAIN_BRANCH, **fields, "v": version}
    del content["ref"]
    defaulted = content.pop("defaulted", ())
    # No other field: one that an entry only says was filled in would be beyond its digest.
    for name in FILLED_IN:
        if name in defaulted:
            content.pop(name, None)
    if "payload" in content:
        content["payload"] = payload = dict(content["payload"])
        for name in _PLACEMENT:
            payload.pop(name, None)
    return content


def _unknown(kind: str, lane: str, fields: dict[str, Any]) -> UnknownEvent:
    known = {name: fields.pop(name) for name in UnknownEvent.__struct_fields__ if name in fields}
    fields.pop("kind", None)
    return msgspec.convert(
        {**known, "unknown_kind": kind, "fields": fields, "own_lane": lane}, UnknownEvent
    )
