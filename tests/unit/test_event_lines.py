"""An event as a line: the bytes are those of docs/format.md, and damage is told from an event."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from support import golden
from support.artifacts import artifact, decision
from support.format_page import block
from support.recorded import record, rows_of

from consumers.event_lines import LINE_START, decode_line, encode_line
from eventstore.codec import digest_of_fields, fields_of
from eventstore.errors import ChainBroken, ExportRefused, InvalidInput
from eventstore.events import BranchForked, SessionOpened, UnknownEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.drafts import Draft


def lines_of(drafts: Sequence[Draft]) -> list[bytes]:
    payloads = [payload for _, payload in rows_of(drafts)]
    return [encode_line(*pair) for pair in zip(record(drafts), payloads, strict=True)]


def sealed(line: dict[str, Any]) -> bytes:
    """Return a line with a check that fits, as somebody who forges one would write it."""
    body = json.dumps({k: v for k, v in line.items() if k != "check"})[:-1]
    check = hashlib.sha256(body.encode()).hexdigest()[:16]
    return f'{body},"check":"{check}"}}\n'.encode()


def example(**changes: Any) -> dict[str, Any]:
    (line,) = lines_of([golden.artifact()])
    return {**json.loads(line), **changes}


def test_the_bytes_are_those_of_the_page() -> None:
    lines = lines_of([golden.artifact(), golden.fork()])
    assert [line.decode() for line in lines] == [f"{line}\n" for line in block("json exported")]
    assert all(line.startswith(LINE_START) for line in lines)


def test_a_line_gives_the_draft_back() -> None:
    drafts = [golden.artifact(), golden.fork()]
    found = [decode_line(line) for line in lines_of(drafts)]
    assert [each.draft for each in found] == drafts
    assert [(each.seq, each.idx) for each in found] == [(0, 0), (1, 0)]
    assert [each.start for each in found] == [{}, {"branch:warmer": 1}]


@pytest.mark.parametrize(
    ("payload", "header"),
    [
        ("", {}), (b"", {}), (None, {}), (b"\x00\xff" * 40_000, {}),
        ("é\n\x00\u2028\U0001f389", {}), ("x" * 10_000, {}),
        ([1, 1.0, -0.0, 1e300, 2**200, True, None, {"ö": []}], {}),
        ("7", {"mime": "application/json"}), ("text", {"mime": "text/html"}),
    ],
    ids=ascii,
)  # fmt: skip
def test_any_payload_comes_back_exactly(payload: Any, header: dict[str, Any]) -> None:
    draft = artifact("s", payload, **header)
    (line,) = lines_of([draft])
    assert decode_line(line).draft == draft
    assert line.count(b"\n") == 1


def test_a_payload_comes_back_where_it_lay_and_as_it_was_compressed() -> None:
    draft = artifact("s", "x" * 10_000)
    info = draft.event.payload
    assert info is not None
    assert info.gzip
    stored = msgspec.structs.replace(info, place="digest")
    event = msgspec.structs.replace(draft.event, payload=stored)
    (recorded,) = record([draft])
    line = encode_line(msgspec.structs.replace(recorded, event=event), "x" * 10_000)
    found = decode_line(line).draft
    assert found.event == event
    assert found.data == draft.data


def test_windows_line_ends_do_no_harm() -> None:
    (line,) = lines_of([golden.artifact()])
    assert decode_line(line.replace(b"\n", b"\r\n")).draft == golden.artifact()


def test_any_changed_byte_is_damage() -> None:
    (line,) = lines_of([golden.artifact()])
    for place in range(len(line) - 1):
        for change in (1, 0x20, 0x80):
            damaged = bytearray(line)
            damaged[place] ^= change
            with pytest.raises(InvalidInput):
                decode_line(bytes(damaged))
        with pytest.raises(InvalidInput):
            decode_line(line[:place])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "of.tomorrow"}, "is not what its digest says"),
        ({"v": 2}, "is not what its digest says"),
        ({"agent": "other"}, "is not what its digest says"),
        ({"lane": "branch:other"}, "is in lane 'branch:other'; its kind belongs in 'branch:main'"),
        ({"seq": -1}, "below 0"),
        ({"idx": True}, "is no exported event"),
        ({"more": 1}, "is no exported event"),
        ({"payload": {"name": "other"}}, "brings another payload"),
        ({"payload": "\ud800"}, "lone surrogate"),
        ({"payload": float("nan")}, "is not a JSON number"),
        ({"payload_base64": ""}, "brings no payload of the form json"),
        ({"ref": "no ref"}, "is not a ref"),
        ({"header": {"ref": "x"}}, "names a field twice"),
        ({"header": {"meta": {"a": float("nan")}}}, "is not a JSON number"),
        ({"header": 7}, "is no exported event"),
    ],
    ids=str,
)
def test_a_line_that_is_no_event_is_refused_although_its_check_fits(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        decode_line(sealed(example(**changes)))


def with_digest(draft: Draft, **fields: Any) -> bytes:
    """Return the line of a changed event whose digest and check fit: only the rules are left."""
    changed = msgspec.structs.replace(draft.event, **fields)
    (recorded,) = record([draft])
    digest = msgspec.structs.replace(recorded, event=changed, version=0)
    return encode_line(digest, {"name": "get_weather", "arguments": {"city": "Oslo"}})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "branch.forked"}, "only the store itself writes"),
        ({"session_id": "x" * 2000}, "at most 1024 bytes"),
        ({"ts": "2026-01-01T00:00:00Z"}, "is not in the form"),
        ({"meta": {"tags": [""]}}, "a name cannot be empty"),
        ({"parent_refs": ("x",)}, "is not a ref"),
        ({"meta": {"x": "y" * 70_000}}, "what is large belongs in the payload"),
    ],
    ids=str,
)
def test_the_rules_for_new_events_hold_for_imported_ones(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        decode_line(with_digest(golden.artifact(), **fields))


def test_a_branch_begins_at_step_0_or_later() -> None:
    with pytest.raises(InvalidInput, match="below 0"):
        decode_line(with_digest(golden.fork(), own=-1))


def test_an_event_of_an_unknown_kind_is_written_and_refused_by_its_kind() -> None:
    event = UnknownEvent(
        ref=golden.ARTIFACT_REF, session_id="s", agent_id="a", ts=golden.TS,
        unknown_kind="of.tomorrow", fields={"type": "t", "deed": [1]}, own_lane="deeds",
    )  # fmt: skip
    (recorded,) = record([decision(SessionOpened, "s")])
    digest = digest_of_fields(fields_of(event), 7).hex()
    stored = msgspec.structs.replace(recorded, event=event, version=7, digest=digest)
    line = encode_line(stored, None)
    written = json.loads(line)
    assert (written["kind"], written["v"], written["lane"]) == ("of.tomorrow", 7, "deeds")
    assert (written["type"], written["header"]) == ("t", {"deed": [1]})
    with pytest.raises(InvalidInput, match=r"of kind 'of\.tomorrow', .* upgrade"):
        decode_line(line)


def test_an_event_that_is_not_what_its_digest_says_is_not_exported() -> None:
    (recorded,) = record([golden.fork()])
    altered = msgspec.structs.replace(recorded.event, agent_id="other")
    with pytest.raises(ChainBroken, match=r"partition 0, position 1: .* digest"):
        encode_line(msgspec.structs.replace(recorded, event=altered), None)


def test_an_older_event_is_written_in_the_current_version() -> None:
    (recorded,) = record([golden.fork()])
    older = msgspec.structs.replace(recorded, version=0, digest="0" * 16)
    line = encode_line(older, None)
    assert json.loads(line)["v"] == BranchForked.VERSION
    assert decode_line(line).draft == golden.fork()


def test_what_json_cannot_hold_is_not_exported() -> None:
    draft = decision(SessionOpened, "s", meta={"x": float("inf")})
    (recorded,) = record([draft])
    with pytest.raises(ExportRefused, match="holds what JSON cannot"):
        encode_line(recorded, None)
