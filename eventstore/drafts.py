"""Drafts: events that are whole and checked, but not yet appended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from eventstore.codec import encode_event, encode_state
from eventstore.errors import InvalidEvent
from eventstore.events import Event
from eventstore.json_values import lone_surrogate
from eventstore.names import check_name
from eventstore.refs import check_ref
from eventstore.state_errors import LaneFull
from eventstore.times import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_HEADER_BYTES: Final = 64 * 1024
MAX_STATE_BYTES: Final = 16 * 1024
MAX_BATCH_EVENTS: Final = 500
MAX_BATCH_BYTES: Final = 1024 * 1024
# What an event's fields of fixed size and their lengths take at most.
_FIXED_BYTES: Final = 512


class Draft(msgspec.Struct, frozen=True):
    """An event ready to be appended: encoded once, with its payload's bytes as kept.

    `digest` covers what the caller gave, so a draft built again from the same call has it too.
    """

    event: Event
    data: bytes
    digest: bytes
    header: bytes
    state: bytes

    def size_within(self, inline_limit: int) -> int:
        """Return the bytes that this draft takes of an append's limit.

        A payload above `inline_limit` bytes goes to the payload store, not through the append.
        """
        carried = len(self.data) if len(self.data) <= inline_limit else 0
        event = self.event
        names = (event.agent_id, event.branch_id, event.lane, getattr(event, "type", ""))
        flat = sum(len(name.encode()) for name in names)
        return len(self.header) + len(self.state) + carried + flat + _FIXED_BYTES


def draft(event: Event, data: bytes = b"") -> Draft:
    """Return the draft of an event.

    Raises `InvalidName` or `InvalidEvent` for a name, ref or time that readers could not use,
    and for a header that is too large; `LaneFull` for a lane state that is.
    """
    event = _checked(event)
    try:
        header, digest = encode_event(event)
    except (OverflowError, UnicodeEncodeError) as error:
        where = lone_surrogate(msgspec.to_builtins(event), "header")
        raise InvalidEvent(where or "header", f"cannot be written: {error}") from None
    if len(header) > MAX_HEADER_BYTES:
        raise InvalidEvent(
            "header",
            f"takes {len(header)} bytes, more than {MAX_HEADER_BYTES}; "
            "what is large belongs in the payload",
        )
    state = encode_state(event.lane_state())
    if len(state) > MAX_STATE_BYTES:
        raise LaneFull(event.session_id, event.lane, len(state), MAX_STATE_BYTES)
    return Draft(event, data, digest, header, state)


def _checked(event: Event) -> Event:
    """Return an event that may be written: its ref and names are plain texts."""
    texts = {"ref": check_ref(event.ref)}
    for name in ("session_id", "agent_id", "branch_id", "episode_id"):
        texts[name] = check_name(name, getattr(event, name))
    if parse_timestamp(event.ts) != event.ts:
        raise InvalidEvent("ts", f"{event.ts!r} is not in the form 2026-01-31T12:00:00.000Z")
    if all(type(getattr(event, name)) is str for name in texts):
        return event
    return msgspec.structs.replace(event, **texts)


def check_size(item: Draft, most: int) -> None:
    """Raise `InvalidEvent` for a payload of more than `most` bytes."""
    info = item.event.payload
    if info is not None and info.size > most:
        raise InvalidEvent(
            "payload",
            f"has {info.size} bytes, more than store.max_payload_bytes = {most}; publish it in "
            "parts, or raise the setting",
        )


def moved_to_store(item: Draft) -> Draft:
    """Return the draft whose payload lies in the store under its digest, not in the buffer."""
    info = item.event.payload
    assert info is not None
    placed = msgspec.structs.replace(info, place="digest")
    event = msgspec.structs.replace(item.event, payload=placed)
    header, _ = encode_event(event)
    return Draft(event, b"", item.digest, header, item.state)


def chunks(drafts: Sequence[Draft], inline_limit: int = MAX_BATCH_BYTES) -> list[list[Draft]]:
    """Split drafts, in order, into batches that one append may carry."""
    result: list[list[Draft]] = []
    room = 0
    for item in drafts:
        size = item.size_within(inline_limit)
        if not result or len(result[-1]) == MAX_BATCH_EVENTS or size > room:
            result.append([])
            room = MAX_BATCH_BYTES
        result[-1].append(item)
        room -= size
    return result
