"""The public header of an event: what readers get from the log and from the index alike.

`bus.get` makes it from the log and the index group stores it; one function serves both, so they
say the same. `lean_of` cuts it down to what a search filters and lists by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventstore.codec import Recorded
    from eventstore.events import Fields

# Of the store's own bookkeeping; `payload` is shown in full, defaults included.
_HIDDEN: Final = ("defaulted", "own_lane", "payload")
# The fields that events hold as tuples; JSON has lists.
_TUPLES: Final = frozenset({"parent_refs", "agents", "finished", "stalled", "segments", "untagged"})
_LEAN: Final = frozenset((
    "ref", "agent_id", "branch_id", "episode_id", "group_id", "type", "ts", "parent_refs",
    "role", "status", "score", "target", "evaluator_id", "tool_name", "tool_call_id", "model",
    "cost_usd", "step_idx", "seq", "position",
))  # fmt: skip


def header_of(recorded: Recorded) -> Fields:
    """Return the public header of an event: a new dict of JSON values, in a fixed order.

    Always there: ref, session_id, agent_id, branch_id, episode_id, type, ts, meta, parent_refs
    and at the end step_idx, seq and position. Between them what else the event carries, without
    what is None: unknown is not zero. `payload` describes the payload, if there is one: form,
    size, sha256, gzip, stored, place. An event that is no artifact has its kind as `type` and
    the index in its own lane as `step_idx`.
    """
    event = recorded.event
    given: Fields = msgspec.to_builtins(event)
    kind = given.pop("kind")
    header: Fields = {
        "ref": event.ref,
        "session_id": event.session_id,
        "agent_id": event.agent_id,
        "branch_id": event.branch_id,
        "episode_id": event.episode_id,
        "type": given.pop("unknown_kind", kind),
        "ts": event.ts,
        "meta": {},
        "parent_refs": (),
        **given,
    }
    for name in _HIDDEN:
        header.pop(name, None)
    for name in _TUPLES & header.keys():
        header[name] = _listed(header[name])
    if event.payload is not None:
        header["payload"] = msgspec.structs.asdict(event.payload)
    header["step_idx"] = recorded.index
    header["seq"] = recorded.seq
    header["position"] = recorded.position
    return header


def lean_of(header: Mapping[str, Any]) -> Fields:
    """Return the part of a header that a search filters and lists by.

    `tags` holds those of meta, without the type, and `parent_refs` the parents; each is left
    out when empty.
    """
    lean: Fields = {name: value for name, value in header.items() if name in _LEAN}
    if not lean["parent_refs"]:
        del lean["parent_refs"]
    tags = tags_of(header["meta"])
    if tags:
        lean["tags"] = tags
    return lean


def tags_of(meta: Mapping[str, Any]) -> list[str]:
    """Return the tags that `meta["tags"]` lists, each once, in the order given."""
    tags = meta.get("tags")
    if not tags or not isinstance(tags, (list, tuple)):
        return []
    return list(dict.fromkeys(tag for tag in tags if isinstance(tag, str)))


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value
