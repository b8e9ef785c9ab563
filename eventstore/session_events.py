"""The kinds of events that are about a session: its life, agents, ticks, overrides, branches.

Most are decisions: their lane keeps a state, what it is after the event, so that the next
decision need not read the log.
"""

from __future__ import annotations

from typing import Any, ClassVar

from eventstore.event import Event, Fields, Segment


class SessionOpened(Event, frozen=True, kw_only=True, tag="session.opened"):
    """A session begins, or goes on after its end; its first event opens a session too."""

    LANE: ClassVar[str] = "session"

    title: str | None = None

    def lane_state(self) -> Fields:
        return {"open": True}


class SessionClosed(Event, frozen=True, kw_only=True, tag="session.closed"):
    """A session ends."""

    LANE: ClassVar[str] = "session"

    reason: str | None = None

    def lane_state(self) -> Fields:
        return {"open": False}


class AgentRegistered(Event, frozen=True, kw_only=True, tag="agent.registered"):
    """An agent joins the session, or works on after it finished.

    `agents` are all registered ones from here on, `finished` those of them that have finished.
    """

    LANE: ClassVar[str] = "agents"

    agents: tuple[str, ...]
    finished: tuple[str, ...] = ()

    def lane_state(self) -> Fields:
        return _agents_state(self.agents, self.finished)


class AgentUnregistered(Event, frozen=True, kw_only=True, tag="agent.unregistered"):
    """An agent leaves the session; `agents` and `finished` as for its joining."""

    LANE: ClassVar[str] = "agents"

    agents: tuple[str, ...]
    finished: tuple[str, ...] = ()

    def lane_state(self) -> Fields:
        return _agents_state(self.agents, self.finished)


class AgentFinished(Event, frozen=True, kw_only=True, tag="agent.finished"):
    """An agent is done: it stays registered, and no later tick waits for it."""

    LANE: ClassVar[str] = "agents"

    agents: tuple[str, ...]
    finished: tuple[str, ...]

    def lane_state(self) -> Fields:
        return _agents_state(self.agents, self.finished)


class SessionTicked(Event, frozen=True, kw_only=True, tag="session.ticked"):
    """A tick begins: a barrier for the agents it names."""

    LANE: ClassVar[str] = "tick"

    tick: int
    agents: tuple[str, ...]

    def lane_state(self) -> Fields:
        return {"tick": self.tick, "agents": self.agents}


class TickStalled(Event, frozen=True, kw_only=True, tag="tick.stalled"):
    """A tick is given up: of the `agents` it named, `stalled` did not come to their part."""

    LANE: ClassVar[str] = "tick"

    tick: int
    agents: tuple[str, ...]
    stalled: tuple[str, ...]

    def lane_state(self) -> Fields:
        return {"tick": self.tick, "agents": self.agents, "stalled": self.stalled}


class TickAcked(Event, frozen=True, kw_only=True, tag="tick.acked"):
    """An agent has done its part of a tick. Acks commute, so their lane decides nothing."""

    LANE: ClassVar[str] = "ack"

    tick: int
    finished: bool = False


class OverrideWritten(Event, frozen=True, kw_only=True, tag="override.written"):
    """An agent's configuration was patched; `effective` is the whole override afterwards."""

    patch: dict[str, Any]
    effective: dict[str, Any]
    locked: bool = False

    @property
    def lane(self) -> str:
        return f"override:{self.agent_id}"

    def lane_state(self) -> Fields:
        return {"effective": self.effective, "locked": self.locked}


class BranchForked(Event, frozen=True, kw_only=True, tag="branch.forked"):
    """`branch_id` begins at step `at` of `parent`: it shows `segments`, then its own from `own`.

    `as_of` is the seq right after which the parent was taken, None if as it is.
    """

    parent: str
    at: int
    segments: tuple[Segment, ...]
    own: int
    as_of: int | None = None

    @property
    def lane(self) -> str:
        return lineage_lane(self.branch_id)

    def lane_state(self) -> Fields:
        return {"segments": self.segments, "own": self.own}


class BranchRewound(Event, frozen=True, kw_only=True, tag="branch.rewound"):
    """`branch_id` hides its steps above `to`; they stay readable through earlier positions."""

    to: int
    segments: tuple[Segment, ...]
    own: int

    @property
    def lane(self) -> str:
        return lineage_lane(self.branch_id)

    def lane_state(self) -> Fields:
        return {"segments": self.segments, "own": self.own}


class BranchPopped(Event, frozen=True, kw_only=True, tag="branch.popped"):
    """`branch_id` hides one `step`, whatever stands above it; other branches go on showing it."""

    step: int
    segments: tuple[Segment, ...]
    own: int

    @property
    def lane(self) -> str:
        return lineage_lane(self.branch_id)

    def lane_state(self) -> Fields:
        return {"segments": self.segments, "own": self.own}


class BranchCheckedOut(Event, frozen=True, kw_only=True, tag="branch.checked_out"):
    """`agent_id` works on `branch_id` from here on."""

    @property
    def lane(self) -> str:
        return checkout_lane(self.agent_id)

    def lane_state(self) -> Fields:
        return {"branch": self.branch_id}


class BranchPruned(Event, frozen=True, kw_only=True, tag="branch.pruned"):
    """`branch_id` is listed no more, until something is done on it again; nothing is deleted."""

    LANE: ClassVar[str] = "pruning"

    reason: str | None = None


class BranchUnpruned(Event, frozen=True, kw_only=True, tag="branch.unpruned"):
    """`branch_id` is listed again."""

    LANE: ClassVar[str] = "pruning"


def _agents_state(agents: tuple[str, ...], finished: tuple[str, ...]) -> Fields:
    state: Fields = {"agents": agents}
    if finished:
        state["finished"] = finished
    return state


def lineage_lane(branch_id: str) -> str:
    """Return the lane of what changes which steps a branch shows: fork, rewinds, pops."""
    return f"lineage:{branch_id}"


def checkout_lane(agent_id: str) -> str:
    """Return the lane that says which branch an agent works on."""
    return f"checkout:{agent_id}"
