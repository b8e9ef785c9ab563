"""What an artifact says once it was amended. Pure.

One function makes the header, for readers of the log and for the index alike, so the two cannot
say different things.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from eventstore.events import ArtifactAmended

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventstore.codec import Recorded
    from eventstore.events import ArtifactPublished, Fields

AMENDABLE: Final = (
    "mime", "meta", "parent_refs", "role", "score", "metrics", "status", "evaluator_id",
    "evaluator_version", "target", "tool_name", "tool_call_id", "model", "cost_usd", "latency_ms",
    "prompt_tokens", "completion_tokens",
)  # fmt: skip
"""The header fields that an amendment may change; the others say what the artifact is."""

_TARGET: Final = "target"
# Where these stand in a header; the others follow what says whose the artifact is.
_EARLY: Final = ("meta", "parent_refs")
_LAST: Final = ("step_idx", "seq", "position")


def view_of(event: ArtifactPublished | ArtifactAmended) -> Fields:
    """Return what an event says of its artifact: a value for each field in `AMENDABLE`."""
    return {name: getattr(event, _event_field(event, name)) for name in AMENDABLE}


def amendment_fields(view: Mapping[str, Any]) -> Fields:
    """Return a view as the fields of an amendment, which names its own target `target`."""
    return {"judged" if name == _TARGET else name: value for name, value in view.items()}


def amended_header(header: Mapping[str, Any], amendment: Recorded) -> Fields:
    """Return the header of an artifact after an amendment, from any earlier header of it.

    `amended` says which event amended it (`ref`, `position`, `ts`), `by` whom, and the `reason`
    if one was given; everything else is as if it had been published so.
    """
    event = amendment.event
    assert isinstance(event, ArtifactAmended)
    view = msgspec.to_builtins(view_of(event))
    replaced = {*AMENDABLE, "payload", "amended", *_LAST} - set(_EARLY)
    new: Fields = {name: value for name, value in header.items() if name not in replaced}
    new["meta"], new["parent_refs"] = view["meta"], list(view["parent_refs"])
    new.update(
        (name, value) for name, value in view.items() if value is not None and name not in _EARLY
    )
    if event.payload is not None:
        new["payload"] = msgspec.structs.asdict(event.payload)
    new["amended"] = {
        "ref": event.ref,
        "by": event.agent_id,
        "ts": event.ts,
        "position": amendment.position,
    }
    if event.reason is not None:
        new["amended"]["reason"] = event.reason
    new.update((name, header[name]) for name in _LAST)
    return new


def payload_ref(header: Mapping[str, Any]) -> str:
    """Return the ref under which the payload of a header lies: the artifact's or amendment's."""
    amended = header.get("amended")
    ref: str = header["ref"] if amended is None else amended["ref"]
    return ref


def _event_field(event: ArtifactPublished | ArtifactAmended, name: str) -> str:
    return "judged" if name == _TARGET and isinstance(event, ArtifactAmended) else name
