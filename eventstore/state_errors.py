"""Errors of sessions, branches, stacks and ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventstore.errors_base import NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence


class AgentNotRegistered(NotFound):
    """The session has no agent of this name."""

    def __init__(self, session_id: str, agent_id: str, agents: Sequence[str]) -> None:
        there = ", ".join(map(repr, agents)) or "none"
        super().__init__(
            f"session {session_id!r} has no agent {agent_id!r} (registered: {there}); "
            "call session.register_agent first"
        )
        self.session_id = session_id
        self.agent_id = agent_id


class SessionEnded(Refused):
    """The session is closed: nothing is added to it through its agents."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id!r} is closed; `eventstore session open` opens it again"
        )
        self.session_id = session_id


class BranchInUse(Refused):
    """A branch cannot be pruned: it is checked out, or another one comes from it."""

    def __init__(self, session_id: str, branch_id: str, problem: str) -> None:
        super().__init__(
            f"session {session_id!r}: branch {branch_id!r} cannot be pruned: {problem}; "
            "nothing was pruned"
        )
        self.session_id = session_id
        self.branch_id = branch_id


class StackMoved(Refused):
    """Others changed an agent's stack between a unit of work's reads and its save."""

    def __init__(self, session_id: str, agent_id: str, problem: str) -> None:
        super().__init__(
            f"session {session_id!r}, agent {agent_id!r}: {problem}; nothing was saved: discard "
            "the unit of work, take the stack anew and do it again"
        )
        self.session_id = session_id
        self.agent_id = agent_id


class NotOnStack(Refused):
    """A stack has no row there."""

    def __init__(self, agent_id: str, branch_id: str, problem: str) -> None:
        super().__init__(f"stack of agent {agent_id!r} on branch {branch_id!r}: {problem}")
        self.agent_id = agent_id
        self.branch_id = branch_id


class TickRefused(Refused):
    """A tick cannot be started, acknowledged or given up as the barrier is now."""

    def __init__(self, session_id: str, tick: int, problem: str) -> None:
        super().__init__(f"session {session_id!r}, tick {tick}: {problem}")
        self.session_id = session_id
        self.tick = tick


class LaneFull(Refused):
    """A decision would leave more state than a lane holds; nothing was written.

    `lane` is the one of the session, `size` what its state would take in bytes, `limit` what
    there is.
    """

    def __init__(self, session_id: str, lane: str, size: int, limit: int) -> None:
        of, _, name = lane.partition(":")
        what, remedy = _FULL.get(of, ("its state", "make less of it"))
        super().__init__(
            f"session {session_id!r}, {_named(of, name)}: {what} would take {size:,} bytes, a lane "
            f"holds {limit:,}; {remedy}"
        )
        self.session_id = session_id
        self.lane = lane
        self.size = size
        self.limit = limit


_ROSTER: Final = ("the list of agents", "unregister those that have left")
_MEND_LINEAGE: Final = (
    "rewind it to a step before some of its gaps, or fork it there and go on in the fork; short "
    "names of branches leave room for more"
)
_MEND_OVERRIDE: Final = "remove keys (None removes one), or keep what is large elsewhere"
_FULL: Final = {
    "lineage": ("the list of separate ranges of steps that it shows", _MEND_LINEAGE),
    "override": ("the override", _MEND_OVERRIDE),
    "agents": _ROSTER,
    "tick": _ROSTER,
}


def _named(of: str, name: str) -> str:
    if of == "lineage":
        return f"branch {name!r}"
    return f"agent {name!r}" if name else f"lane {of!r}"


class AlreadyActed(Refused):
    """An agent's part of a tick was done by another unit of work; this one added nothing."""

    def __init__(self, session_id: str, agent_id: str, tick: int) -> None:
        super().__init__(
            f"session {session_id!r}: agent {agent_id!r} has done its part of tick {tick} before; "
            "nothing was saved: discard the unit of work"
        )
        self.session_id = session_id
        self.agent_id = agent_id
        self.tick = tick
