"""Events survive the log's encoding, and equal content has one digest."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.artifacts import artifact
from support.generating import events, events_of, json_objects, json_values, timestamps
from support.recorded import record

from eventstore.codec import decode_state, digest_of, encode_state
from eventstore.drafts import draft
from eventstore.kinds import KINDS
from eventstore.refs import derived_ref

if TYPE_CHECKING:
    from eventstore.events import Event

REF = derived_ref("codec")


@given(events)
def test_an_event_of_any_kind_is_read_as_it_was_written(event: Event) -> None:
    (recorded,) = record([draft(event)])
    assert recorded.event == event
    assert type(recorded.event) is type(event)
    assert digest_of(recorded.event) == digest_of(event)


@given(events)
def test_a_lane_state_is_read_as_it_was_written(event: Event) -> None:
    state = event.lane_state()
    if state is None:
        assert encode_state(state) == b""
    else:
        assert decode_state(encode_state(state)) == as_lists(state)


def as_lists(value: Any) -> Any:
    """Return a value with lists where it has tuples, as msgpack has them."""
    if isinstance(value, dict):
        return {name: as_lists(part) for name, part in value.items()}
    return [as_lists(part) for part in value] if isinstance(value, (list, tuple)) else value


def shuffled(value: Any, seed: int) -> Any:
    """Return an equal value whose objects have their keys in another order."""
    if isinstance(value, dict):
        names = random.Random(seed).sample(list(value), len(value))
        return {name: shuffled(value[name], seed) for name in names}
    return [shuffled(part, seed) for part in value] if isinstance(value, list) else value


@given(json_values(), json_objects, timestamps, st.integers(0, 99))
def test_the_digest_knows_no_order_of_keys(
    payload: Any, meta: dict[str, Any], ts: str, seed: int
) -> None:
    meta.pop("tags", None)
    one = artifact("s", payload, ref=REF, ts=ts, meta=meta)
    other = artifact("s", shuffled(payload, seed), ref=REF, ts=ts, meta=shuffled(meta, seed))
    assert one.digest == other.digest
    assert one.data == other.data


@given(json_values(), timestamps)
def test_the_digest_knows_only_a_time_that_was_given(payload: Any, ts: str) -> None:
    now, later = (artifact("s", payload, ref=REF) for _ in range(2))
    assert now.digest == later.digest
    given_one = artifact("s", payload, ref=REF, ts=ts)
    assert given_one.digest != now.digest
    assert given_one.digest == artifact("s", payload, ref=REF, ts=ts).digest


@given(events)
def test_the_digest_knows_no_difference_between_equal_texts(event: Event) -> None:
    texts = ("branch_id", "episode_id", "agent_id", "session_id")
    copied = {name: "".join(list(getattr(event, name))) for name in texts}
    draft_of_copy = draft(msgspec.structs.replace(event, **copied))
    assert draft_of_copy.digest == digest_of(event)
    assert draft_of_copy.header == draft(event).header


@pytest.mark.parametrize("kind", KINDS.values())
def test_what_is_given_as_it_would_be_by_default_is_the_same_event(kind: type[Event]) -> None:
    texts = {
        field.name: field.default
        for field in msgspec.structs.fields(kind)
        if isinstance(field.default, str)
    }
    assert texts == {"branch_id": "main", "episode_id": "0"}


def test_an_episode_that_is_made_up_of_digits_is_the_default_one() -> None:
    one, other = (artifact("s", 1, ref=REF, episode_id=e) for e in ("0", str(int("0"))))
    assert one.digest == other.digest == artifact("s", 1, ref=REF).digest


@given(events, st.integers(0, 999))
def test_the_digest_knows_no_placement_and_no_ref(event: Event, seed: int) -> None:
    same = msgspec.structs.replace(event, ref=derived_ref(str(seed), "other"))
    if event.payload is not None:
        info = event.payload
        moved = msgspec.structs.replace(info, gzip=not info.gzip, stored=seed, place="digest")
        same = msgspec.structs.replace(same, payload=moved)
    assert digest_of(same) == digest_of(event)


pairs_of_one_kind = st.sampled_from(list(KINDS.values())).flatmap(
    lambda kind: st.tuples(events_of(kind), events_of(kind))
)


@given(pairs_of_one_kind)
def test_every_field_of_the_content_is_in_the_digest(pair: tuple[Event, Event]) -> None:
    one, other = pair
    for name in one.__struct_fields__:
        changed = msgspec.structs.replace(one, **{name: getattr(other, name)})
        if digest_of(changed) == digest_of(one):
            assert described(changed) == described(one), name


def described(event: Event) -> dict[str, Any]:
    """Return all of an event that a caller can have meant."""
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    info = fields.pop("payload")
    for name in ("ref", "defaulted", *event.defaulted):
        fields.pop(name, None)
    content = None if info is None else (info.form, info.size, info.sha256)
    given = {name: value for name, value in fields.items() if value is not None}
    return {"kind": event.kind, "content": content, **given}
