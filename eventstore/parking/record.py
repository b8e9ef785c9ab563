"""What is kept of a parked event, and the writes that park it and take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from eventstore.consuming.writes import Write
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from eventstore.codec import Recorded
    from eventstore.keys import ParkedKeys
    from eventstore.parking.blame import Fault


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """A parked event of one group: which it is, and why it is parked.

    `attempts` is how often it was tried in all, `parked_at` when it was given up. `error` and
    `traceback` are of the last try, without secrets.
    """

    position: int
    ref: str
    session_id: str
    kind: str
    chain: str
    attempts: int
    parked_at: str
    error: str
    traceback: str


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Parked).decode


def parked(recorded: Recorded, fault: Fault, attempts: int) -> Parked:
    """Return what is to be kept of an event that is given up now."""
    event = recorded.event
    return Parked(
        position=recorded.position,
        ref=event.ref,
        session_id=event.session_id,
        kind=event.kind,
        chain=recorded.chain,
        attempts=attempts,
        parked_at=current_timestamp(),
        error=fault.error,
        traceback=fault.traceback,
    )


def encode_parked(item: Parked) -> bytes:
    """Return a parked event as it is kept."""
    return _encode(item)


def decode_parked(value: bytes) -> Parked:
    """Return the parked event that `encode_parked` wrote."""
    return _decode(value)


def parking(keys: ParkedKeys, item: Parked) -> list[Write]:
    """Return the writes that park an event; made again, they change nothing."""
    member = keys.in_session(item.session_id, item.position)
    return [
        Write("ZADD", keys.positions, (item.position, str(item.position))),
        Write("HSET", keys.items, (str(item.position), encode_parked(item))),
        Write("ZADD", keys.sessions, (0, member)),
    ]


def taking_back(keys: ParkedKeys, item: Parked) -> list[Write]:
    """Return the writes after which the event counts as handled."""
    return [
        Write("ZREM", keys.positions, (str(item.position),)),
        Write("HDEL", keys.items, (str(item.position),)),
        Write("ZREM", keys.sessions, (keys.in_session(item.session_id, item.position),)),
    ]
