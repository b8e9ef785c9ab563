"""Lanes as decisions read them: the next index of each, and the state that its last event left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from eventstore.codec import decode_state
from eventstore.flow import Call
from eventstore.lineage import UNFORKED, Lineage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eventstore.events import Fields
    from eventstore.keys import Keys

WHOLE_SESSION: Final = "seq"
"""What an append expects in a lane's place if nothing may have come to the session."""


class LaneHead(NamedTuple):
    """The end of a lane: its next index (0 = no event yet).

    A lane that keeps one has the `state` after its last event, and that event's `position`.
    """

    next: int
    state: Fields | None
    position: int | None = None

    @property
    def lineage(self) -> Lineage:
        """The state of a lineage lane; a branch without one shows all that it appended."""
        return UNFORKED if self.state is None else msgspec.convert(self.state, Lineage)


@dataclass(frozen=True)
class Heads:
    """Lanes of one session, read in one round trip. `seq` is its next, None without events."""

    seq: int | None
    lanes: Mapping[str, LaneHead]

    def __getitem__(self, lane: str) -> LaneHead:
        return self.lanes[lane]

    def expect(self, *lanes: str) -> dict[str, int]:
        """Return what an append expects of lanes that a decision read."""
        return {lane: self.lanes[lane].next for lane in lanes}

    def expect_session(self) -> dict[str, int]:
        """Return what an append expects of a decision that read all of the session."""
        return {WHOLE_SESSION: self.seq or 0}


def lane_heads(keys: Keys, session_id: str, lanes: Iterable[str]) -> Call[Heads]:
    """Return the ends of lanes of a session."""
    names = tuple(dict.fromkeys(lanes))
    fields = tuple(field for lane in names for field in (f"next:{lane}", f"head:{lane}"))

    def parse(reply: list[bytes | None]) -> Heads:
        seq, *values = reply
        heads = {lane: _head(values[2 * n], values[2 * n + 1]) for n, lane in enumerate(names)}
        return Heads(None if seq is None else int(seq), heads)

    return Call("HMGET", (keys.session(session_id),), ("seq", *fields), parse)


def all_lane_heads(keys: Keys, session_id: str) -> Call[Heads]:
    """Return the ends of all lanes of a session; as large as the session has lanes."""

    def parse(reply: list[bytes]) -> Heads:
        fields = {reply[i].decode(): reply[i + 1] for i in range(0, len(reply), 2)}
        names = [name.removeprefix("next:") for name in fields if name.startswith("next:")]
        seq = fields.get("seq")
        heads = {lane: _head(fields[f"next:{lane}"], fields.get(f"head:{lane}")) for lane in names}
        return Heads(None if seq is None else int(seq), heads)

    return Call("HGETALL", (keys.session(session_id),), (), parse)


def _head(following: bytes | None, head: bytes | None) -> LaneHead:
    """Return the end of a lane from its fields: the next index, and `<position>:<state>`."""
    if head is None:
        return LaneHead(int(following or 0), None)
    position, _, state = head.partition(b":")
    return LaneHead(int(following or 0), decode_state(state), int(position))
