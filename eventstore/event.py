"""What every event is: an immutable value with a kind, a place in a session, and a lane."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import msgspec

from eventstore.payloads import PayloadInfo

MAIN_BRANCH = "main"
STACK_TYPES = frozenset({"state", "tool_call", "tool_result"})
"""The types of artifacts that are rows of their agent's stack."""

Segment: TypeAlias = tuple[str, int, int]
Fields: TypeAlias = dict[str, Any]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What every event carries.

    `defaulted` names the fields that the store filled in because the caller gave none; they
    are left out of the content digest, so that a repeated call is the same event.
    """

    VERSION: ClassVar[int] = 1
    LANE: ClassVar[str] = ""

    ref: str
    session_id: str
    agent_id: str
    ts: str
    branch_id: str = MAIN_BRANCH
    episode_id: str = "0"
    group_id: str | None = None
    parent_refs: tuple[str, ...] = ()
    correlation_id: str | None = None
    traceparent: str | None = None
    meta: dict[str, Any] = {}
    payload: PayloadInfo | None = None
    defaulted: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The tag of this event's class."""
        return str(self.__struct_config__.tag)

    @property
    def lane(self) -> str:
        """The counter of the session that this event advances."""
        return self.LANE

    def lane_state(self) -> Fields | None:
        """Return what the lane is after this event, if the lane keeps a state."""
        return None
