"""Any bytes where an encoding is due: the same value again, or the error of that decoder."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.artifacts import artifact
from support.generating import events, json_values
from support.recorded import entries_of

from consumers.importing import openai_chat
from consumers.importing.json_file import parse_json_records
from eventstore.chain import GENESIS, link
from eventstore.codec import decode_entry, decode_state, encode_state, stored_digest
from eventstore.drafts import draft
from eventstore.errors import (
    ImportRefused,
    IndexDamaged,
    JournalDamaged,
    PayloadDamaged,
    UndecodableEvent,
)
from eventstore.journal_format import FIELDS, decode_segment, encode_segment, field
from eventstore.journal_index_format import decode_header, encode_run, merge_runs
from eventstore.payloads import encode_payload, payload_value, raw_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.events import Event

    Entry = tuple[bytes, Sequence[bytes]]

# An event of any kind takes a while to draw.
few = settings(max_examples=30)
NOT_COVERED: Final = {"seq", "idx", "at"}
"""Fields that neither digest nor chain covers: `log verify` compares the first two with others."""

edges = st.sampled_from(
    [b"", b"\xff", b"\xc1", b"-1", b"1_0", b" 1", b"9" * 5_000, b"\x91" * 5_000,
     b"\x81\xa1a" * 5_000, b"\xde\xff\xff", b"\xdf\xff\xff\xff\xff", b"\x80", b"\x81\xc0\x01",
     b"\x81\xa4meta\xc0"]
)  # fmt: skip
anything = st.one_of(st.binary(max_size=60), edges)


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Return bytes of which one was changed, taken out or added, or the end was cut off."""
    if not data:
        return draw(anything)
    place = draw(st.integers(0, len(data) - 1))
    how = draw(st.sampled_from(["change", "remove", "insert", "cut", "replace"]))
    if how == "change":
        return data[:place] + bytes([data[place] ^ draw(st.integers(1, 255))]) + data[place + 1 :]
    if how == "cut":
        return data[:place]
    if how == "replace":
        return draw(anything)
    added = draw(st.binary(min_size=1, max_size=3)) if how == "insert" else b""
    return data[:place] + added + data[place + (how == "remove") :]


def read(decode: Callable[[], Any], error: type[Exception]) -> Any:
    """Return what a decoder makes of something, None if it refuses it by its own error."""
    with suppress(error):
        return decode()
    return None


def is_vouched_for(entry: Entry) -> bool:
    """Return whether an entry is what its digest and its chain say, as `log verify` looks."""
    digest = field(entry, "digest")
    if read(lambda: stored_digest(0, entry), UndecodableEvent) != digest:
        return False
    return link(GENESIS, field(entry, "ref"), digest) == field(entry, "chain")


@few
@given(events, st.data())
def test_a_damaged_entry_is_refused_or_not_what_its_digest_says(
    event: Event, data: st.DataObject
) -> None:
    ((id_, values),) = entries_of([draft(event)])
    name = data.draw(st.sampled_from(FIELDS))
    place = 2 * FIELDS.index(name) + 1
    spoilt = list(values)
    spoilt[place] = data.draw(damaged(values[place]))
    found = read(lambda: decode_entry(0, (id_, spoilt)), UndecodableEvent)
    read(lambda: stored_digest(0, (id_, spoilt)), UndecodableEvent)
    if found is None or name in NOT_COVERED or name in event.defaulted:
        return
    with suppress(UnicodeDecodeError):
        assert found.event == event or not is_vouched_for((id_, spoilt)), name


@pytest.mark.parametrize("name", ["meta", "score", "type", "parent_refs", "payload", "agent_id"])
def test_what_was_filled_in_cannot_be_feigned(name: str) -> None:
    """An entry that says that more of it was filled in is not what its digest says."""
    ((id_, values),) = entries_of([artifact("s", 1, ref="a" * 32, meta={"a": 1}, score=1.0)])
    place = 2 * FIELDS.index("header") + 1
    header = decode_state(values[place])
    feigned = {**header, "defaulted": [*header["defaulted"], name]}
    other = {"meta": {"b": 2}, "score": 2.0, "parent_refs": ["b" * 32]}
    for changed in (feigned, {**feigned, name: other.get(name, header.get(name))}):
        spoilt = list(values)
        spoilt[place] = encode_state(changed)
        found = read(lambda: decode_entry(0, (id_, spoilt)), UndecodableEvent)  # noqa: B023
        same = found is not None and getattr(found.event, name) == getattr(
            decode_entry(0, (id_, values)).event, name
        )
        assert same or not is_vouched_for((id_, spoilt))


@few
@given(st.lists(st.binary(max_size=10), max_size=31), st.data())
def test_fields_of_any_names_are_refused(given_: list[bytes], data: st.DataObject) -> None:
    ((_, values),) = entries_of([artifact("s")])
    cut = data.draw(st.integers(0, len(values) - 1))
    for fields in (given_, values[:cut], values[:cut] + given_ + values[cut + 1 :]):
        if fields != values:
            read(lambda: decode_entry(0, (b"0-1", fields)), UndecodableEvent)  # noqa: B023
            read(lambda: stored_digest(0, (b"0-1", fields)), UndecodableEvent)  # noqa: B023


@few
@given(events, st.data())
def test_the_state_of_a_lane_is_read_or_refused(event: Event, data: st.DataObject) -> None:
    state = data.draw(damaged(encode_state(event.lane_state() or {"a": [1]})))
    found = read(lambda: decode_state(state), UndecodableEvent)
    assert found is None or isinstance(found, dict)


@few
@given(st.lists(events, min_size=1, max_size=3), st.data())
def test_a_damaged_segment_is_the_same_or_refused(given_: list[Event], data: st.DataObject) -> None:
    entries = entries_of([draft(event) for event in given_])
    segment, whole = encode_segment(entries)
    found = read(lambda: decode_segment(segment, data.draw(damaged(whole)), "here"), JournalDamaged)
    assert found is None or found == entries
    # As if somebody had packed it again.
    lines = data.draw(damaged(gzip.decompress(whole)))
    read(lambda: decode_segment(segment, gzip.compress(lines), "here"), JournalDamaged)


@few
@given(st.data())
def test_a_damaged_run_of_the_index_is_refused(data: st.DataObject) -> None:
    entries = [
        (b"0-%d" % number, entries_of([artifact("s", ref=f"{number:032x}")])[0][1])
        for number in (1, 2)
    ]
    run, whole = encode_run(entries)
    spoilt = data.draw(damaged(whole))
    if spoilt == whole:
        return
    header = spoilt[: run.header_bytes]
    found = read(lambda: decode_header(run, header, "here"), IndexDamaged)
    assert found is None or header == whole[: run.header_bytes]
    later = encode_run([(b"0-3", entries[0][1])])
    with pytest.raises(IndexDamaged):
        merge_runs((run, spoilt), later)


@given(st.sampled_from(["json", "text", "bin"]), anything)
@example("json", b"[" * 100_000)
@example("json", b"9" * 5_000)
@example("text", b"\xff")
def test_a_payload_of_another_form_is_read_or_refused(form: Any, raw: bytes) -> None:
    encoded = encode_payload(raw, "bin", 10)
    info = msgspec.structs.replace(encoded.info, form=form)
    read(lambda: payload_value(info, raw_payload(info, encoded.data, "here")), PayloadDamaged)


CHATS: Final = [
    {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
    {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "z"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "1", "content": "{}"},
        ]
    },
]


@st.composite
def changed_chats(draw: st.DrawFn) -> Any:
    """Return chats of which a part, at any depth, is another value, is gone, or is new."""
    chats = json.loads(json.dumps(CHATS))
    parent: Any = chats
    while True:
        places = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        key = draw(st.sampled_from(places))
        part = parent[key]
        if not (isinstance(part, (dict, list)) and part and draw(st.booleans())):
            break
        parent = part
    if draw(st.booleans()):
        del parent[key]
    else:
        odd: st.SearchStrategy[Any] = st.sampled_from(
            ["", "user", "tool", "\ud800", "x" * 2_000, 2**70, -1, [], {}, None]
        )
        parent[key] = draw(st.one_of(json_values(), odd))
    return chats


@given(st.one_of(changed_chats().map(json.dumps).map(str.encode), st.binary(max_size=60)))
def test_a_chat_of_any_sort_is_imported_or_refused(data: bytes) -> None:
    def planned() -> list[Any]:
        runs = openai_chat.plan_runs(parse_json_records("here", data))
        return [run.drafts(2048) for run in runs]

    read(planned, ImportRefused)
