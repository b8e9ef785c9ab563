"""Whatever an event is, it comes back from its line; whatever a line is, it is read or refused."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from support.generating import events, json_values, texts
from support.recorded import record

from consumers.event_lines import decode_line, encode_line
from consumers.importing.event_files import read_windows
from eventstore.codec import digest_of_fields
from eventstore.drafts import draft
from eventstore.errors import ImportRefused, InvalidInput
from eventstore.payloads import encode_payload, form_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from eventstore.events import Event

payloads = st.one_of(json_values(200), texts, st.binary(max_size=200))
limits = st.sampled_from([0, 10, 2048])


def line_of(event: Event, payload: Any, compress_above: int) -> tuple[Any, bytes]:
    """Return the draft of an event, with this payload if it has one, and its line."""
    # These are names here, and neither is one of an event that was checked.
    event = msgspec.structs.replace(event, traceparent=None)
    data = b""
    if event.payload is not None:
        encoded = encode_payload(payload, form_of(payload, None), compress_above)
        event, data = msgspec.structs.replace(event, payload=encoded.info), encoded.data
    item = draft(event, data)
    (recorded,) = record([item])
    return item, encode_line(recorded, None if event.payload is None else payload)


@given(events, payloads, limits)
def test_an_event_of_any_kind_comes_back(event: Event, payload: Any, above: int) -> None:
    item, line = line_of(event, payload, above)
    assert line.count(b"\n") == 1
    found = decode_line(line)
    assert found.draft == item
    assert (found.seq, found.idx) == (0, 0)


@given(events, payloads, st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_byte_is_seen(event: Event, payload: Any, place: int, change: int) -> None:
    _, line = line_of(event, payload, 2048)
    damaged = bytearray(line[:-1])
    damaged[place % len(damaged)] ^= change
    read_or_refuse(bytes(damaged), is_damaged=True)


def sealed(body: bytes) -> bytes:
    return body + b',"check":"' + hashlib.sha256(body).hexdigest()[:16].encode() + b'"}'


def read_or_refuse(line: bytes, *, is_damaged: bool = False) -> None:
    try:
        decode_line(line)
    except InvalidInput:
        return
    assert not is_damaged


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_with_or_without_a_check(data: bytes) -> None:
    read_or_refuse(data, is_damaged=True)
    read_or_refuse(sealed(data))
    read_or_refuse(sealed(b"{" + data))
    read_or_refuse(sealed(b'{"kind":' + b"[" * 100_000 + data))


def event_fields(line: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event as a line has them, whatever they are, for its digest."""
    fields = {**line["header"], **{name: line[name] for name in ("kind", "ref", "ts")}}
    for name in ("session", "agent", "branch"):
        fields[f"{name}_id"] = line[name]
    return {**fields, "type": line["type"]} if line["type"] else fields


@given(events, payloads, st.data())
def test_any_part_of_a_line_may_be_any_json(
    event: Event, payload: Any, data: st.DataObject
) -> None:
    _, line = line_of(event, payload, 2048)
    fields = json.loads(line)
    del fields["check"]
    target = data.draw(st.sampled_from([fields, fields["header"] or fields]))
    name = data.draw(st.sampled_from([*target, "payload", "payload_base64", "own", "score"]))
    value = data.draw(
        st.one_of(json_values(), st.sampled_from([float("nan"), -1, 2**70, "\ud800", "[" * 300]))
    )
    target[name] = value
    with suppress(TypeError, ValueError, OverflowError, AttributeError):
        fields["digest"] = digest_of_fields(event_fields(fields), fields["v"]).hex()
    read_or_refuse(sealed(json.dumps(fields)[:-1].encode()))


def test_any_file_is_read_or_refused_by_a_line(tmp_path_factory: pytest.TempPathFactory) -> None:
    path: Path = tmp_path_factory.mktemp("files") / "f"

    @given(st.lists(st.one_of(st.binary(max_size=30), st.just(b"\n"), st.binary().map(sealed))))
    def check(parts: list[bytes]) -> None:
        path.write_bytes(b"\n".join(parts))
        try:
            found = list(read_windows(path))
        except ImportRefused as refused:
            where, found = refused.where, []
        else:
            where = "line "
        assert where.startswith("line ")
        assert found == []

    check()
