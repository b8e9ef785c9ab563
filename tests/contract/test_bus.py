"""Publishing and getting artifacts, on both forms of the bus, by the call shapes of the spec."""

from __future__ import annotations

import copy
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from eventstore import (
    ArtifactHeader,
    ArtifactNotFound,
    InvalidEvent,
    RefConflict,
    current_timestamp,
    generate_ref,
)
from eventstore.errors import InvalidInput, InvalidName

if TYPE_CHECKING:
    from support.buses import BusUnderTest

    from eventstore.bus import EventBus

LEAST: dict[str, Any] = {"session_id": "s", "agent_id": "a", "type": "state"}
REF = "0123456789abcdef" * 2
PAYLOADS: list[Any] = [
    {"text": "hé \u2028 \U0001f600", "n": [1, 1.5, -0.0, 1e300, 2**70, None, True], "o": {}},
    [],
    None,
    0,
    False,
    1.5,
    "",
    "text\nwith lines é",
    "x" * 5000,
    b"",
    b"\x00\xff bytes",
    b"y" * 5000,
    {"long": "z" * 5000},
]


class TestPublish:
    def test_the_call_of_the_spec(self, tested: BusUnderTest) -> None:
        header: ArtifactHeader = {
            "ref": generate_ref(),
            "session_id": "conversation",
            "agent_id": "agent_alpha",
            "branch_id": "main",
            "episode_id": "0",
            "type": "tool_result",
            "mime": "application/json",
            "ts": current_timestamp(),
            "meta": {"custom": "data"},
        }
        before = copy.deepcopy(header)
        appended = tested.bus.publish(header, {"temp_c": -3})
        assert header == before
        assert (appended.ref, appended.seq, appended.step_idx) == (header["ref"], 0, 0)
        assert appended.position == 1
        found, payload = tested.bus.get(appended.ref)
        assert found.items() >= before.items()
        assert payload == {"temp_c": -3}

    def test_what_is_left_out_has_a_default(self, bus: EventBus) -> None:
        header, _ = bus.get(bus.publish(LEAST, {}).ref)
        assert header["branch_id"] == "main"
        assert header["episode_id"] == "0"
        assert header["mime"] == "application/json"
        assert header["meta"] == {}
        assert header["parent_refs"] == []
        assert len(header["ref"]) == 32
        assert header["ts"].endswith("Z")
        assert len(header["ts"]) == len("2026-01-31T12:00:00.000Z")
        for unknown in ("score", "status", "model", "cost_usd", "group_id"):
            assert unknown not in header

    def test_none_is_left_out(self, bus: EventBus) -> None:
        given = {**LEAST, "score": None, "meta": None, "branch_id": None, "ts": None}
        header, _ = bus.get(bus.publish(given, {}).ref)
        assert (header["branch_id"], header["meta"]) == ("main", {})
        assert "score" not in header

    @pytest.mark.parametrize(
        ("payload", "mime"),
        [({}, "application/json"), ("t", "text/plain"), (b"b", "application/octet-stream")],
    )
    def test_the_payload_suggests_its_mime(self, bus: EventBus, payload: Any, mime: str) -> None:
        header, _ = bus.get(bus.publish(LEAST, payload).ref)
        assert header["mime"] == mime

    @pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: repr(payload)[:20])
    def test_a_payload_comes_back_as_it_was(self, bus: EventBus, payload: Any) -> None:
        _, found = bus.get(bus.publish(LEAST, payload).ref)
        assert type(found) is type(payload)
        assert repr(found) == repr(payload) or found == payload

    @pytest.mark.parametrize(
        ("payload", "mime"),
        [
            ("<p>", "text/html"),
            (b"\x89PNG", "image/png"),
            ("text in JSON", "application/json"),
            ({"a": 1}, "application/vnd.api+json; charset=utf-8"),
            (b"text as bytes", "text/plain"),
        ],
    )
    def test_a_given_mime_is_kept(self, bus: EventBus, payload: Any, mime: str) -> None:
        header, found = bus.get(bus.publish({**LEAST, "mime": mime}, payload).ref)
        assert (header["mime"], found) == (mime, payload)

    def test_numbers_are_dense(self, bus: EventBus) -> None:
        branches = ["main", "x", "main", "x"]
        rows = [bus.publish({**LEAST, "branch_id": name}, n) for n, name in enumerate(branches)]
        assert [row.seq for row in rows] == [0, 1, 2, 3]
        assert [row.step_idx for row in rows] == [0, 0, 1, 1]

    def test_a_repeated_call_has_the_same_answer(self, tested: BusUnderTest) -> None:
        header = {**LEAST, "ref": REF, "meta": {"b": 1, "a": 2}}
        appended = tested.bus.publish(header, {"x": 1, "y": 2})
        again = {"meta": {"a": 2, "b": 1}, **{k: v for k, v in header.items() if k != "meta"}}
        assert tested.bus.publish(again, {"y": 2, "x": 1}) == appended
        assert tested.events == 1

    def test_a_ref_has_one_content(self, tested: BusUnderTest) -> None:
        tested.bus.publish({**LEAST, "ref": REF}, 1)
        with pytest.raises(RefConflict, match=REF):
            tested.bus.publish({**LEAST, "ref": REF}, 2)
        assert tested.events == 1
        assert tested.bus.get(REF).payload == 1

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("2026-01-31T12:00:00.123Z", "2026-01-31T12:00:00.123Z"),
            ("2026-01-31T13:00:00.1239+01:00", "2026-01-31T12:00:00.123Z"),
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
            (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00.000Z"),
            (
                datetime(2026, 1, 31, 12, 0, 0, 5999, timezone(timedelta(hours=-5))),
                "2026-01-31T17:00:00.005Z",
            ),
        ],
    )
    def test_a_time_is_kept_in_utc(self, bus: EventBus, given: Any, kept: str) -> None:
        header, _ = bus.get(bus.publish({**LEAST, "ts": given}, {}).ref)
        assert header["ts"] == kept

    def test_only_a_ref_of_an_artifact_is_found(self, bus: EventBus) -> None:
        for ref in (REF, "nonsense"):
            with pytest.raises(ArtifactNotFound) as missing:
                bus.get(ref)
            assert isinstance(missing.value, KeyError)
            assert ref in str(missing.value)

    def test_the_types_of_the_spec_are_taken_and_others_too(self, bus: EventBus) -> None:
        for name in (
            *("state", "tool_call", "tool_result", "evaluation", "metrics", "ledger_event"),
            *("plan", "ünïcode: {type}"),
        ):
            header, _ = bus.get(bus.publish({**LEAST, "type": name}, {}).ref)
            assert header["type"] == name


NAN_META: dict[str, Any] = {"deep": [0, {"n": math.nan}]}
WRONG: list[tuple[dict[str, Any], str]] = [
    *[({name: None}, f"header.{name}: is required") for name in LEAST],
    *[({name: 5}, f"header.{name}: ") for name in (*LEAST, "branch_id", "episode_id", "mime")],
    *[({name: ""}, f"header.{name}: ") for name in LEAST],
    ({"session_id": "\ud800"}, "header.session_id: .*lone surrogate"),
    ({"agent_id": "x" * 1025}, "header.agent_id: .*1024 bytes"),
    ({"colour": "red"}, "header.colour: there is no such field"),
    ({"step_idx": 3}, "header.step_idx: there is no such field"),
    ({"type": "branch.forked"}, "header.type: branch.forked is a kind of event"),
    ({"ref": "abc"}, "header.ref: 'abc' is not a ref"),
    ({"ref": REF.upper()}, "header.ref: "),
    ({"ts": "2026-01-31T12:00:00"}, "header.ts: .*has no offset"),
    ({"ts": "yesterday"}, "header.ts: 'yesterday' is not an ISO-8601 time"),
    ({"ts": datetime(2026, 1, 31)}, "header.ts: .*has no offset"),  # noqa: DTZ001  # the fault
    ({"ts": 1_700_000_000}, "header.ts: a time is text or datetime, not int"),
    ({"ts": "0001-01-01T00:00:00+14:00"}, "header.ts: .*outside the years"),
    ({"meta": ["a"]}, "header.meta: is an object, not list"),
    ({"meta": NAN_META}, r"header.meta.deep\[1\].n: nan is not a JSON number"),
    ({"meta": {"k": {1: 2}}}, "header.meta.k: the key 1 is not text"),
    ({"meta": {"k": "\ud800"}}, "header.meta.k: .*surrogate"),
    ({"meta": {"n": 2**64}}, "header.meta.n: an integer of 65 bits"),
    ({"meta": {"when": datetime.now(UTC)}}, "header.meta.when: datetime is not a JSON value"),
    ({"meta": {"tags": "red"}}, "header.meta.tags: is a list of tags, not str"),
    ({"meta": {"tags": ["a", ""]}}, r"header.meta.tags\[1\]: "),
    ({"meta": {"text": "x" * 70_000}}, "header: takes .* belongs in the payload"),
    ({"parent_refs": REF}, "header.parent_refs: is a list of refs, not str"),
    ({"parent_refs": [REF, "x"]}, r"header.parent_refs\[1\]: 'x' is not a ref"),
    ({"score": "high"}, "header.score: is a number, not str"),
    ({"score": math.nan}, "header.score: nan is not a finite number"),
    ({"score": 2**1024}, "header.score: an integer beyond any float"),
    ({"score": True}, "header.score: is a number, not bool"),
    ({"prompt_tokens": 1.5}, "header.prompt_tokens: is a whole number, not float"),
    ({"completion_tokens": -1}, "header.completion_tokens: -1 is not between 0"),
    ({"target": "x"}, "header.target: 'x' is not a ref"),
    ({"traceparent": "00-0-0-00"}, "header.traceparent: .*is not a W3C traceparent"),
    ({"mime": "text/plain"}, "header.mime: text/plain is not JSON, but the payload is dict"),
]
UNSTORABLE: list[tuple[Any, str]] = [
    ({"a": {"b": [1, math.inf]}}, r"payload.a.b\[1\]: inf is not a JSON number"),
    ({"a": b"bytes"}, "payload.a: bytes is not a JSON value"),
    ({"a": {None: 1}}, "payload.a: the key None is not text"),
    ({"a": datetime.now(UTC)}, "payload.a: datetime is not a JSON value"),
    ({"a": Decimal(1)}, "payload.a: Decimal is not a JSON value"),
    ({"a": ["\ud83d"]}, r"payload.a\[0\]: holds a lone surrogate"),
    ({"\udfff": 1}, "payload: holds a lone surrogate"),
    ("\ud83d", "payload: holds a lone surrogate"),
    ({1, 2}, "payload: set is not a JSON value"),
    (2**5000, "payload: an integer of 5001 bits"),
]


class TestRefused:
    @pytest.mark.parametrize(("change", "said"), WRONG, ids=[said for _, said in WRONG])
    def test_a_wrong_header_is_named_and_not_written(
        self, tested: BusUnderTest, change: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(InvalidInput, match=f"^{said}") as refused:
            tested.bus.publish({**LEAST, **change}, {})
        assert isinstance(refused.value, (InvalidEvent, InvalidName))
        assert isinstance(refused.value, ValueError)
        assert tested.events == 0

    @pytest.mark.parametrize(("payload", "said"), UNSTORABLE, ids=[said for _, said in UNSTORABLE])
    def test_a_payload_that_json_cannot_hold(
        self, tested: BusUnderTest, payload: Any, said: str
    ) -> None:
        with pytest.raises(InvalidEvent, match=f"^{said}"):
            tested.bus.publish(LEAST, payload)
        assert tested.events == 0

    def test_bytes_are_not_json(self, tested: BusUnderTest) -> None:
        with pytest.raises(InvalidEvent, match=r"^header.mime: .* but the payload is bytes"):
            tested.bus.publish({**LEAST, "mime": "application/json"}, b"{}")
        assert tested.events == 0

    def test_too_deep(self, tested: BusUnderTest) -> None:
        value: Any = 1
        for _ in range(100_000):
            value = [value]
        with pytest.raises(InvalidEvent, match="nested deeper than 256 levels"):
            tested.bus.publish(LEAST, value)
        assert tested.events == 0

    @pytest.mark.parametrize("header", [None, [], "header", 5])
    def test_a_header_is_a_mapping(self, tested: BusUnderTest, header: Any) -> None:
        with pytest.raises(InvalidEvent, match=r"^header: a header is a mapping"):
            tested.bus.publish(header, {})
        assert tested.events == 0
