"""What a session must be after operations on it: lists and dicts that say it the plainest way.

A branch is the list of the artifacts that it shows: a fork copies it, a rewind cuts it, a pop takes
one out. The past is a list of copies. Written from the documents, it shares nothing with the code
under test but the names of its errors.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from support.operations_state import Artifact, Branch, Moment, State, Tick, Version

from eventstore.errors import (
    AgentNotRegistered,
    BranchExists,
    BranchNotFound,
    InvalidInput,
    NotInHistory,
    SessionEnded,
    SessionNotFound,
    TickRefused,
)

if TYPE_CHECKING:
    from support.operations_state import Placed

STACK_TYPES: Final = ("state", "tool_call", "tool_result")
MAIN: Final = "main"


class Wrong(Exception):
    """The operation must be refused with this error, and nothing may be written."""

    def __init__(self, kind: type[Exception]) -> None:
        super().__init__(kind.__name__)
        self.kind = kind


class Model:
    """One session. A method raises `Wrong` before it changes anything."""

    def __init__(self) -> None:
        self.state = State()

    @property
    def seq(self) -> int:
        return len(self.state.moments)

    def event(self, lane: str) -> Placed:
        """Count an event that has changed the state."""
        state, seq = self.state, self.seq
        index = state.lanes.get(lane, 0)
        state.lanes[lane] = index + 1
        state.moments.append(
            Moment(
                {name: list(branch.shown) for name, branch in state.branches.items()},
                {ref: len(artifact.versions) for ref, artifact in state.artifacts.items()},
                deepcopy(state.overrides),
            )
        )
        return seq, index

    def branch(self, name: str) -> Branch:
        """Return a branch; "main" is always there."""
        if name != MAIN and name not in self.state.branches:
            raise Wrong(BranchNotFound)
        return self.state.branches.get(name) or Branch(self.seq)

    def check_session(self) -> None:
        if not self.seq:
            raise Wrong(SessionNotFound)

    def publish(
        self,
        ref: str,
        agent: str,
        branch: str,
        kind: str,
        ts: int,
        version: Version,
        role: str | None = None,
    ) -> Placed:
        """Add an artifact to a branch, which there is from here on."""
        own = self.state.branches.setdefault(branch, Branch(self.seq))
        step = own.next
        self.state.artifacts[ref] = Artifact(
            ref, agent, branch, kind, ts, role, self.seq, step, [version]
        )
        own.shown.append(ref)
        own.next = step + 1
        self.event(f"branch:{branch}")
        return self.seq - 1, step

    def depth_of(self, shown: list[str], step: int) -> int:
        """Return how many steps are shown before a step."""
        steps = [self.state.artifacts[ref].step for ref in shown]
        if step not in steps:
            raise Wrong(NotInHistory)
        return steps.index(step)

    def fork(self, at: int, name: str, parent: str, as_of: int | None) -> Placed:
        """Open a branch that shows another up to a step, as it is or as it was."""
        if name == MAIN:
            raise Wrong(BranchExists)
        self.check_session()
        if name in self.state.branches:
            raise Wrong(BranchExists)
        shown = self.branch(parent).shown if as_of is None else self.shown_at(parent, as_of)
        kept = shown[: self.depth_of(shown, at) + 1]
        child = Branch(self.seq, kept, at + 1, parent, at)
        self.state.branches[name] = child
        return self.event(f"lineage:{name}")

    def rename(self, name: str, known_as: str) -> None:
        """Give a branch that was forked without a name the one that the store made up."""
        branches, moments = self.state.branches, self.state.moments
        if name in branches:
            branches[known_as] = branches.pop(name)
            moments[-1].shown[known_as] = moments[-1].shown.pop(name)
            self.state.lanes[f"lineage:{known_as}"] = self.state.lanes.pop(f"lineage:{name}")

    def shown_at(self, branch: str, seq: int) -> list[str]:
        """Return what a branch showed right after an event."""
        self.check_session()
        if not 0 <= seq < self.seq:
            raise Wrong(InvalidInput)
        shown = self.state.moments[seq].shown
        if branch != MAIN and branch not in shown:
            raise Wrong(BranchNotFound)
        return shown.get(branch, [])

    def past(self, branch: str, seq: int) -> list[str]:
        """Return what a branch showed right after an event; nothing if there is no such moment."""
        try:
            return self.shown_at(branch, seq)
        except Wrong:
            return []

    def rewind(self, to: int, name: str) -> Placed:
        """Hide what a branch shows above a step."""
        self.check_session()
        branch = self.branch(name)
        branch.shown[self.depth_of(branch.shown, to) + 1 :] = []
        branch.rewinds += 1
        return self.event(f"lineage:{name}")

    def pop(self, name: str, ref: str) -> Placed:
        """Hide one artifact."""
        branch = self.state.branches[name]
        branch.shown.remove(ref)
        branch.pops += 1
        return self.event(f"lineage:{name}")

    def check_out(self, agent: str, branch: str) -> Placed:
        """Have an agent work on a branch."""
        self.check_session()
        self.branch(branch)
        self.state.checkouts[agent] = branch
        return self.event(f"checkout:{agent}")

    def stack(self, agent: str, branch: str) -> list[str]:
        """Return the refs of an agent's rows on a branch."""
        artifacts = self.state.artifacts
        return [
            ref
            for ref in self.branch(branch).shown
            if artifacts[ref].agent == agent and artifacts[ref].type in STACK_TYPES
        ]

    def write_override(self, agent: str, patch: dict[str, Any]) -> bool:
        """Patch an override; False if it is locked."""
        state = self.state
        if state.locked.get(agent) and patch.get("lock") is not False:
            return False
        effective = {**state.overrides.get(agent, {}), **patch}
        state.locked[agent] = bool(effective.pop("lock", state.locked.get(agent, False)))
        state.overrides[agent] = {k: v for k, v in effective.items() if v is not None}
        self.event(f"override:{agent}")
        return True

    def override_at(self, agent: str, seq: int) -> dict[str, Any]:
        """Return an override as it was right after an event."""
        self.check_session()
        if not 0 <= seq < self.seq:
            raise Wrong(InvalidInput)
        return self.state.moments[seq].overrides.get(agent, {})

    def amend(self, ref: str, changes: dict[str, Any]) -> Placed:
        """Correct an artifact; what is not changed stays."""
        versions = self.state.artifacts[ref].versions
        versions.append(Version(**{**vars(versions[-1]), **changes}))
        return self.event(f"amend:{ref}")

    def start_tick(self, after: int | None) -> Tick:
        """Begin the next tick for the agents that are live."""
        state = self.state
        self.check_session()
        if not state.is_open:
            raise Wrong(SessionEnded)
        if after not in (None, state.tick.number) or state.waiting or not state.live:
            raise Wrong(TickRefused)
        state.tick = Tick(state.tick.number + 1, state.live)
        self.event("tick")
        return state.tick

    def give_up_tick(self, number: int) -> Placed:
        """End the tick without those that it waits for."""
        self.check_session()
        if number != self.state.tick.number or not self.state.waiting:
            raise Wrong(TickRefused)
        self.state.tick.stalled = self.state.waiting
        return self.event("tick")

    def check_agent(self, agent: str) -> None:
        """Refuse what only an agent of an open session may do."""
        if not self.state.is_open:
            raise Wrong(SessionEnded)
        if agent not in self.state.agents:
            raise Wrong(AgentNotRegistered)
