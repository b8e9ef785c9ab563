"""Artifact headers as callers write them: checked, completed, made into events."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict

from eventstore.codec import FILLED_IN
from eventstore.drafts import Draft, draft
from eventstore.errors import InvalidEvent, InvalidInput
from eventstore.events import MAIN_BRANCH, ArtifactPublished
from eventstore.json_values import check_json
from eventstore.kinds import KINDS
from eventstore.names import check_name
from eventstore.payloads import DEFAULT_MIMES, encode_payload, form_of
from eventstore.refs import check_ref, generate_ref
from eventstore.shown import shown
from eventstore.times import current_timestamp, parse_timestamp


class ArtifactHeader(TypedDict, total=False):
    """The header of an artifact; session_id, agent_id and type are required.

    `ref` defaults to a new one, `ts` to now, `branch_id` to "main", `episode_id` to "0",
    `mime` to what the payload's type suggests, `meta` to {}; tags are `meta["tags"]`. The
    fields from `role` on are lifted from the payload where it has them.
    """

    ref: str
    session_id: str
    agent_id: str
    branch_id: str
    episode_id: str
    group_id: str
    type: str
    mime: str
    ts: str
    meta: dict[str, Any]
    parent_refs: Sequence[str]
    correlation_id: str
    traceparent: str
    role: str
    score: float | None
    metrics: dict[str, Any]
    status: str
    evaluator_id: str
    evaluator_version: str
    target: str
    tool_name: str
    tool_call_id: str
    model: str
    cost_usd: float
    latency_ms: float
    prompt_tokens: int
    completion_tokens: int


_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
# Each tag is an index entry; apply.lua makes at most 10,000 writes for a batch.
MAX_TAGS: Final = 100
_REQUIRED: Final = ("session_id", "agent_id", "type")
# Headers are msgpack, which has integers of 64 bits with their sign.
INTEGER_BITS: Final = 63
_MAX_INTEGER: Final = 2**INTEGER_BITS - 1


def build_artifact(
    header: Mapping[str, Any],
    payload: object,
    bound: Mapping[str, Any],
    compress_above: int,
) -> Draft:
    """Return the draft of an artifact: the header completed from `bound` and the defaults.

    `header` is not changed. Raises `InvalidEvent` or `InvalidName` naming the field.
    """
    if not isinstance(header, Mapping):
        raise InvalidEvent("header", f"a header is a mapping, not {type(header).__name__}")
    unknown = [name for name in header if name not in _CHECKS]
    if unknown:
        first: object = unknown[0]
        name = first if isinstance(first, str) else shown(first)
        raise InvalidEvent(
            f"header.{name}", "there is no such field; put what is your own under meta"
        )
    given = {name: value for name, value in header.items() if value is not None}
    fields = {**{name: value for name, value in bound.items() if value is not None}, **given}
    for name in _REQUIRED:
        if name not in fields:
            raise InvalidEvent(f"header.{name}", "is required and missing")
    fields = {name: _CHECKS[name](value, f"header.{name}") for name, value in fields.items()}
    fields.setdefault("ts", current_timestamp())
    fields["defaulted"] = tuple(n for n in FILLED_IN if n in fields and n not in given)
    fields.setdefault("ref", generate_ref())
    fields.setdefault("branch_id", MAIN_BRANCH)
    form = form_of(payload, fields.get("mime"))
    encoded = encode_payload(payload, form, compress_above)
    fields.setdefault("mime", DEFAULT_MIMES[form])
    for name, value in lifted_fields(fields["type"], payload).items():
        fields.setdefault(name, value)
    return draft(ArtifactPublished(**fields, payload=encoded.info), encoded.data)


def check_field(name: str, value: object, field: str) -> Any:
    """Return the value of a header field as it is kept.

    Raises `InvalidEvent` or `InvalidName` naming `field`.
    """
    return _CHECKS[name](value, field)


def check_fields(fields: Mapping[str, Any]) -> None:
    """Check those fields of an event of any kind that headers of artifacts have too.

    Raises `InvalidEvent` or `InvalidName` naming the field.
    """
    for name, value in fields.items():
        if name in _CHECKS:
            _CHECKS[name](value, f"header.{name}")


def check_meta(value: object, field: str) -> dict[str, Any]:
    """Return `value` if it is an object that can lie in a header, else raise `InvalidEvent`."""
    if not isinstance(value, dict):
        raise InvalidEvent(field, f"is an object, not {type(value).__name__}")
    check_json(value, field, INTEGER_BITS)
    return value


def _meta(value: object, field: str) -> dict[str, Any]:
    meta = check_meta(value, field)
    tags = meta.get("tags", [])
    if not isinstance(tags, (list, tuple)):
        raise InvalidEvent(f"{field}.tags", f"is a list of tags, not {type(tags).__name__}")
    if len(tags) > MAX_TAGS:
        raise InvalidEvent(f"{field}.tags", f"has {len(tags)} tags, more than {MAX_TAGS}")
    for index, tag in enumerate(tags):
        check_name(f"{field}.tags[{index}]", tag)
    return meta


def _parents(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise InvalidEvent(field, f"is a list of refs, not {type(value).__name__}")
    return tuple(check_ref(ref, f"{field}[{index}]") for index, ref in enumerate(value))


def _text(value: object, field: str) -> str:
    return check_name(field, value)


def _type(value: object, field: str) -> str:
    name = check_name(field, value)
    if name in KINDS:
        raise InvalidEvent(field, f"{name} is a kind of event that only the store itself writes")
    return name


def _traceparent(value: object, field: str) -> str:
    if isinstance(value, str) and _TRACEPARENT.fullmatch(value):
        return value
    raise InvalidEvent(
        field, f"{shown(value)} is not a W3C traceparent, 00-<32 hex>-<16 hex>-<2 hex>"
    )


def _number(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidEvent(field, f"is a number, not {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        raise InvalidEvent(field, "an integer beyond any float") from None
    if not math.isfinite(number):
        raise InvalidEvent(field, f"{value!r} is not a finite number")
    return number


def _count(value: object, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidEvent(field, f"is a whole number, not {type(value).__name__}")
    if not 0 <= value <= _MAX_INTEGER:
        raise InvalidEvent(field, f"{shown(value)} is not between 0 and {_MAX_INTEGER}")
    return value


_CHECKS: Final[dict[str, Callable[[object, str], Any]]] = {
    "ref": check_ref,
    "session_id": _text,
    "agent_id": _text,
    "branch_id": _text,
    "episode_id": _text,
    "group_id": _text,
    "type": _type,
    "mime": _text,
    "ts": parse_timestamp,
    "meta": _meta,
    "parent_refs": _parents,
    "correlation_id": _text,
    "traceparent": _traceparent,
    "role": _text,
    "score": _number,
    "metrics": check_meta,
    "status": _text,
    "evaluator_id": _text,
    "evaluator_version": _text,
    "target": check_ref,
    "tool_name": _text,
    "tool_call_id": _text,
    "model": _text,
    "cost_usd": _number,
    "latency_ms": _number,
    "prompt_tokens": _count,
    "completion_tokens": _count,
}

# header field -> names under which payloads of a type carry it, the first found wins
_LIFTED: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "evaluation": {
        "score": ("score",),
        "metrics": ("metrics",),
        "status": ("status",),
        "evaluator_id": ("evaluator_id", "evaluator"),
        "evaluator_version": ("evaluator_version", "version"),
        "target": ("target", "target_ref"),
    },
    "tool_call": {
        "tool_name": ("tool_name", "name", "tool"),
        "tool_call_id": ("tool_call_id", "call_id", "id"),
    },
    "tool_result": {
        "tool_name": ("tool_name", "name", "tool"),
        "tool_call_id": ("tool_call_id", "call_id", "id"),
        "status": ("status",),
    },
    "metrics": {
        "model": ("model",),
        "cost_usd": ("cost_usd", "cost"),
        "latency_ms": ("latency_ms",),
        "prompt_tokens": ("prompt_tokens",),
        "completion_tokens": ("completion_tokens",),
    },
}


def lifted_fields(type_: str, payload: object) -> dict[str, Any]:
    """Return the header fields that a payload carries.

    The payload of an evaluation keeps to the names' meaning, so a wrong value is refused; in
    other payloads a value of another sort is the caller's own and stays where it is.
    """
    if not isinstance(payload, dict):
        return {}
    found: dict[str, Any] = {}
    for name, sources in _LIFTED.get(type_, {}).items():
        for source in sources:
            if payload.get(source) is not None:
                break
        else:
            continue
        try:
            found[name] = _CHECKS[name](payload[source], f"payload.{source}")
        except InvalidInput:
            if type_ == "evaluation":
                raise
    return found
