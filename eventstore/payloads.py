"""How a payload becomes bytes, and bytes a payload: pure, without storage.

A payload has one of three forms: `json` (any JSON value), `text` (a str) or `bin` (bytes).
JSON is written canonically (sorted keys, no blanks, UTF-8), so that equal values have equal
bytes and one checksum; objects come back with their keys in that order.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any, Final, Literal

import msgspec

from eventstore.errors import InvalidEvent, PayloadDamaged
from eventstore.gunzip import gunzip
from eventstore.json_values import canonical_json, check_json, lone_surrogate

Form = Literal["json", "text", "bin"]
Place = Literal["none", "buffer", "digest"]

EXTENSIONS: Final[dict[str, str]] = {"json": "json", "text": "txt", "bin": "bin"}
DEFAULT_MIMES: Final[dict[str, str]] = {
    "json": "application/json",
    "text": "text/plain",
    "bin": "application/octet-stream",
}


class PayloadInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the header says of a payload.

    `size` and `sha256` are of the raw bytes, `stored` counts the bytes as kept. `place` says
    where they were put at the append: nowhere (no bytes), in the buffer (later in the store
    under the event's ref), or in the store under their digest.
    """

    form: Form
    size: int
    sha256: str
    gzip: bool = False
    stored: int = 0
    place: Place = "buffer"


class EncodedPayload(msgspec.Struct, frozen=True):
    """A payload ready to be appended: its description and its bytes as kept."""

    info: PayloadInfo
    data: bytes


def is_json_mime(mime: str) -> bool:
    """Return whether a media type promises JSON."""
    essence = mime.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def form_of(payload: object, mime: str | None) -> Form:
    """Return the form of a payload under a media type, else raise `InvalidEvent`."""
    if isinstance(payload, (bytes, bytearray, memoryview)):
        form: Form = "bin"
    elif isinstance(payload, str) and not (mime is not None and is_json_mime(mime)):
        form = "text"
    else:
        form = "json"
    if form == "bin" and mime is not None and is_json_mime(mime):
        raise InvalidEvent("header.mime", f"{mime} promises JSON, but the payload is bytes")
    if form == "json" and mime is not None and not is_json_mime(mime):
        raise InvalidEvent(
            "header.mime",
            f"{mime} is not JSON, but the payload is {type(payload).__name__}; "
            "give text or bytes, or leave mime out",
        )
    return form


def encode_payload(payload: object, form: Form, compress_above: int) -> EncodedPayload:
    """Return a payload's bytes, gzipped above `compress_above` raw bytes.

    Raises `InvalidEvent` naming the path in the payload that JSON cannot hold.
    """
    raw = _raw_bytes(payload, form)
    compressed = len(raw) > compress_above
    # A fixed mtime: the same bytes compress to the same file, whenever that happens.
    data = gzip.compress(raw, 6, mtime=0) if compressed else raw
    info = PayloadInfo(
        form=form,
        size=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        gzip=compressed,
        stored=len(data),
        place="buffer" if data else "none",
    )
    return EncodedPayload(info, data)


def payload_value(info: PayloadInfo, raw: bytes) -> Any:
    """Return the payload that checked raw bytes stand for.

    Raises `PayloadDamaged` for bytes that no payload of this form is written as.
    """
    if info.form == "bin":
        return raw
    try:
        text = raw.decode()
        return text if info.form == "text" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PayloadDamaged(
            f"the payload with sha256 {info.sha256[:12]}… is not of the form {info.form} that its "
            f"event says ({error}); `eventstore log verify` shows how far the log is whole"
        ) from None


def raw_payload(info: PayloadInfo, data: bytes, where: str) -> bytes:
    """Return a payload's raw bytes, checked; never more than the log says there are.

    Raises `PayloadDamaged`, which names `where`.
    """
    try:
        raw = gunzip(data, info.size) if info.gzip else data
    except ValueError as error:
        raise PayloadDamaged(f"{where}: {error}; restore the file from a backup") from None
    if len(raw) != info.size or hashlib.sha256(raw).hexdigest() != info.sha256:
        raise PayloadDamaged(
            f"{where}: {len(raw)} bytes do not match the {info.size} bytes with sha256 "
            f"{info.sha256[:12]}… that the log recorded; restore the file from a backup"
        )
    return raw


def _raw_bytes(payload: object, form: Form) -> bytes:
    if form == "bin":
        assert isinstance(payload, (bytes, bytearray, memoryview))
        return bytes(payload)
    if form == "text":
        assert isinstance(payload, str)
        text = payload
    else:
        check_json(payload, "payload")
        text = canonical_json(payload)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        where = lone_surrogate(payload, "payload") or "payload"
        raise InvalidEvent(
            where, f"holds a lone surrogate, {text[error.start]!r}; it is not Unicode text"
        ) from None
