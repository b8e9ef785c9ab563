"""The public header: the same from the log and from the index, complete, and without guesses."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from eventstore.codec import Recorded
from eventstore.events import BranchForked, EvaluationRequested, Event, UnknownEvent
from eventstore.header_view import header_of, lean_of, tags_of
from eventstore.headers import build_artifact
from eventstore.kinds import KINDS

REF, PARENT = "0" * 31 + "1", "0" * 31 + "2"
BASE: dict[str, Any] = {
    "ref": REF,
    "session_id": "s",
    "agent_id": "a",
    "ts": "2026-01-31T12:00:00.000Z",
}


def recorded(event: Event, index: int = 4) -> Recorded:
    return Recorded(event, 0, 9, 7, index, 1_700_000_000_000, "d" * 16, "c" * 16)


def artifact(payload: object = None, **header: Any) -> Recorded:
    return recorded(build_artifact({**BASE, "type": "state", **header}, payload, {}, 2048).event)


def test_a_header_names_everything_a_reader_is_promised() -> None:
    header = header_of(artifact({"x": 1}, meta={"tags": ["t"]}, parent_refs=[PARENT]))
    payload = header.pop("payload")
    assert header == {
        **BASE,
        "branch_id": "main",
        "episode_id": "0",
        "type": "state",
        "mime": "application/json",
        "meta": {"tags": ["t"]},
        "parent_refs": [PARENT],
        "step_idx": 4,
        "seq": 7,
        "position": 9,
    }
    assert {name: payload[name] for name in ("form", "size", "gzip", "stored", "place")} == {
        "form": "json",
        "size": 7,
        "gzip": False,
        "stored": 7,
        "place": "buffer",
    }
    assert len(payload["sha256"]) == 64


def test_what_is_unknown_is_left_out_and_what_is_zero_is_kept() -> None:
    header = header_of(artifact(score=0.0, cost_usd=0.0, prompt_tokens=0))
    assert (header["score"], header["cost_usd"], header["prompt_tokens"]) == (0.0, 0.0, 0)
    assert not {"model", "status", "group_id", "latency_ms"} & header.keys()
    assert None not in header.values()


def test_fields_that_the_store_keeps_for_itself_are_not_shown() -> None:
    header = header_of(recorded(build_artifact({**BASE, "type": "x"}, 1, {}, 2048).event))
    assert not {"kind", "defaulted"} & header.keys()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_header_of_every_kind_survives_json_unchanged(kind: str) -> None:
    event = _example(kind)
    header = header_of(recorded(event))
    assert json.loads(json.dumps(header)) == header
    assert header["type"] == ("state" if kind == "artifact.published" else kind)
    assert list(header)[-3:] == ["step_idx", "seq", "position"]


def test_the_fields_of_a_decision_are_shown() -> None:
    forked = BranchForked(
        **BASE, branch_id="b", parent="main", at=3, segments=(("main", 0, 3),), own=4
    )
    header = header_of(recorded(forked, index=0))
    assert header["segments"] == [["main", 0, 3]]
    assert (header["parent"], header["at"], header["own"]) == ("main", 3, 4)
    assert "payload" not in header


def test_an_unknown_kind_shows_its_fields_unread() -> None:
    unknown = UnknownEvent(**BASE, unknown_kind="x.y", fields={"n": 1}, own_lane="l")
    header = header_of(recorded(unknown))
    assert (header["type"], header["fields"]) == ("x.y", {"n": 1})
    assert not {"unknown_kind", "own_lane"} & header.keys()


def test_a_header_is_the_readers_own_to_change() -> None:
    event = artifact(meta={"list": [1]})
    header_of(event)["meta"]["list"].append(2)
    assert header_of(event)["meta"] == {"list": [1]}


def test_the_lean_header_holds_what_search_filters_by_and_no_meta() -> None:
    header = header_of(
        artifact(
            {"score": 0.5},
            type="evaluation",
            agent_id="judge",
            parent_refs=[PARENT],
            model="m",
            cost_usd=0.25,
            target=PARENT,
            meta={"tags": ["t", "u"], "long": "x" * 1000},
        )
    )
    assert lean_of(header) == {
        "ref": REF,
        "agent_id": "judge",
        "branch_id": "main",
        "episode_id": "0",
        "type": "evaluation",
        "ts": BASE["ts"],
        "parent_refs": [PARENT],
        "score": 0.5,
        "target": PARENT,
        "model": "m",
        "cost_usd": 0.25,
        "step_idx": 4,
        "seq": 7,
        "position": 9,
        "tags": ["t", "u"],
    }


def test_an_empty_lean_field_is_left_out() -> None:
    assert not {"tags", "parent_refs", "score"} & lean_of(header_of(artifact())).keys()


@pytest.mark.parametrize(
    ("meta", "tags"),
    [
        ({}, []),
        ({"tags": ["b", "a", "b"]}, ["b", "a"]),
        ({"tags": ("t",)}, ["t"]),
        ({"tags": "text"}, []),
        ({"tags": ["t", 1, None]}, ["t"]),
    ],
)
def test_tags_are_the_texts_listed_each_once(meta: dict[str, Any], tags: list[str]) -> None:
    assert tags_of(meta) == tags


def _example(kind: str) -> Event:
    """Return an event of a kind, every required field filled by its type."""
    values: dict[str, Any] = {"type": "state", "mime": "text/plain", "segments": [["main", 0, 3]]}
    fillers: dict[Any, Any] = {str: "x", int: 1, tuple[str, ...]: ["a", "b"], dict[str, Any]: {}}
    fields = dict(BASE)
    for field in msgspec.structs.fields(KINDS[kind]):
        if field.required and field.name not in fields:
            fields[field.name] = values.get(field.name, fillers.get(field.type))
    return msgspec.convert({"kind": kind, **fields}, KINDS[kind])


def test_the_request_of_an_evaluation_is_shown_with_its_target() -> None:
    request = EvaluationRequested(**BASE, target=PARENT, evaluator_id="e")
    header = header_of(recorded(request))
    assert (header["type"], header["target"]) == ("evaluation.requested", PARENT)
