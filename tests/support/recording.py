"""Events as the log would hold them, made by hand: numbered, chained, no server."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from eventstore.chain import GENESIS, link
from eventstore.codec import Recorded, digest_of
from eventstore.events import BranchForked, Event, branch_lane
from eventstore.headers import build_artifact
from eventstore.kinds import KINDS
from eventstore.times import from_milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

EventT = TypeVar("EventT", bound=Event)
START_MS = 1_700_000_000_000


class Recording:
    """A log of one partition that grows by hand; event times rise by one second an event."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self._seqs: Counter[str] = Counter()
        self._lanes: Counter[tuple[str, str]] = Counter()
        self._chain = GENESIS

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self.events)

    def artifact(
        self, payload: object = None, *, defaulted: tuple[str, ...] = (), **header: Any
    ) -> Recorded:
        """Record an artifact of session "s", agent "a", type "state", unless told otherwise.

        `defaulted` names the fields that the store would have filled in.
        """
        named = {"ref": self.next_ref, "ts": self.next_time, "type": "state", **header}
        item = build_artifact({"session_id": "s", "agent_id": "a", **named}, payload, {}, 2048)
        filled_in = (*item.event.defaulted, *defaulted)
        return self.record(msgspec.structs.replace(item.event, defaulted=filled_in))

    def add(self, kind: type[Event], **fields: Any) -> Recorded:
        """Record an event of session "s" and agent "a" with these fields."""
        named = {"ref": self.next_ref, "ts": self.next_time, **fields}
        return self.record(kind(**{"session_id": "s", "agent_id": "a", **named}))

    def record(self, event: Event) -> Recorded:
        """Record an event at the next position; a fork opens the child's lane at its `own`."""
        session = event.session_id
        # An unknown kind has no digest of its own here; only known ones are encoded.
        digest = digest_of(event).hex() if event.kind in KINDS else "0" * 16
        self._chain = link(self._chain, event.ref, digest)
        recorded = Recorded(
            event=event,
            partition=0,
            position=len(self.events) + 1,
            seq=self._seqs[session],
            index=self._lanes[session, event.lane],
            appended_at=START_MS,
            digest=digest,
            chain=self._chain,
        )
        self.events.append(recorded)
        self._seqs[session] += 1
        self._lanes[session, event.lane] += 1
        if isinstance(event, BranchForked):
            self._lanes[session, branch_lane(event.branch_id)] = event.own
        return recorded

    def next_step(self, branch: str, session: str = "s") -> int:
        """Return the step that a branch appends next."""
        return self._lanes[session, branch_lane(branch)]

    @property
    def next_ref(self) -> str:
        return f"{len(self.events) + 1:032x}"

    @property
    def next_time(self) -> str:
        return from_milliseconds(START_MS + 1000 * len(self.events))
