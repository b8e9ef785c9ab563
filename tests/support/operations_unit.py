"""What a unit of work must come to: the model of what waits in one client's session until a save.

It is carried out at the save, one intent after the other, on the session as it is then; all of it
or nothing.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.operations_model import MAIN, Wrong
from support.operations_state import Version

from eventstore.errors import (
    AgentNotRegistered,
    AlreadyActed,
    BranchNotFound,
    NotOnStack,
    SessionEnded,
    SessionNotFound,
    StackMoved,
    TickRefused,
)

if TYPE_CHECKING:
    from support.operations_model import Model
    from support.operations_state import Placed


@dataclass(frozen=True)
class Intent:
    """What is asked for: a verb, an agent, and what the verb needs."""

    verb: str
    agent: str = ""
    branch: str = MAIN
    ref: str = ""
    kind: str = ""
    ts: int = 0
    role: str | None = None
    payload: Any = None
    tick: int = 0
    finished: bool = False


@dataclass
class Unit:
    """What waits to be saved."""

    model: Model
    intents: list[Intent] = field(default_factory=list)

    def agents(self) -> list[str]:
        """The registered agents, waiting ones included."""
        agents = list(self.model.state.agents)
        for intent in self.intents:
            if intent.verb == "register" and intent.agent not in agents:
                agents.append(intent.agent)
            if intent.verb == "unregister" and intent.agent in agents:
                agents.remove(intent.agent)
        return agents

    def branch_of(self, agent: str) -> str:
        """The branch that an agent works on, by what waits or else by what is saved."""
        if agent not in self.agents():
            raise Wrong(AgentNotRegistered)
        waiting = [i.branch for i in self.intents if i.verb == "checkout" and i.agent == agent]
        return [self.model.state.checkouts.get(agent, MAIN), *waiting][-1]

    def of_stack(self, verb: str, agent: str, branch: str) -> list[Intent]:
        """The pushes or pops of a stack that wait."""
        return [i for i in self.intents if (i.verb, i.agent, i.branch) == (verb, agent, branch)]

    def saved_below(self, agent: str, branch: str) -> list[str]:
        """The saved rows of a stack that no waiting pop hides."""
        rows = self.model.stack(agent, branch)
        popped = len(self.of_stack("pop", agent, branch))
        return rows[: len(rows) - popped] if popped else rows

    def is_settled(self, agent: str, branch: str) -> bool:
        """Whether the rows that waiting pops hide are still the last ones."""
        popped = [intent.ref for intent in self.of_stack("pop", agent, branch)]
        rows = self.model.stack(agent, branch)
        return popped == rows[::-1][: len(popped)]

    def pop(self, agent: str, branch: str) -> str:
        """Take back the last push that waits, or have the last saved row hidden; return its ref."""
        waiting = self.of_stack("push", agent, branch)
        if waiting:
            self.intents.remove(waiting[-1])
            return waiting[-1].ref
        if not self.is_settled(agent, branch):
            raise Wrong(StackMoved)
        rows = self.saved_below(agent, branch)
        if not rows:
            raise Wrong(NotOnStack)
        self.intents.append(Intent("pop", agent, branch, rows[-1]))
        return rows[-1]

    def ack(self, agent: str, tick: int, finished: bool) -> None:
        """Have an agent's part of a tick done."""
        if any((i.verb, i.agent, i.tick) == ("ack", agent, tick) for i in self.intents):
            raise Wrong(AlreadyActed)
        self.intents.append(Intent("ack", agent, tick=tick, finished=finished))

    def save(self) -> list[Placed]:
        """Carry out everything that waits; return where its events lie."""
        before = deepcopy(self.model.state)
        known = [intent for intent in self.intents if intent.verb == "ack" and self._acked(intent)]
        try:
            rows = [row for intent in self.intents for row in self._carry_out(intent)]
            if known and (rows or not self._is_repeated(known)):
                raise Wrong(AlreadyActed)
        except Wrong:
            self.model.state = before
            raise
        if known:
            self.model.state = before
            rows = [before.tick.acked[intent.agent][1] for intent in known]
        self.intents.clear()
        return rows

    def _acked(self, intent: Intent) -> bool:
        tick = self.model.state.tick
        return tick.number == intent.tick and intent.agent in tick.acked

    def _is_repeated(self, known: list[Intent]) -> bool:
        """Whether acknowledgements were made before in the same words."""
        acked = self.model.state.tick.acked
        return all(acked[intent.agent][0] == intent.finished for intent in known)

    def _carry_out(self, intent: Intent) -> list[Placed]:
        model = self.model
        if intent.verb in ("open", "close"):
            return self._open_or_close(intent)
        if intent.verb in ("register", "unregister"):
            return self._change_agents(intent)
        model.check_agent(intent.agent)
        if intent.verb == "checkout":
            if intent.branch != MAIN and intent.branch not in model.state.branches:
                raise Wrong(BranchNotFound)
            model.state.checkouts[intent.agent] = intent.branch
            return [model.event(f"checkout:{intent.agent}")]
        if intent.verb == "ack":
            return self._ack(intent)
        if model.state.checkouts.get(intent.agent, MAIN) != intent.branch:
            raise Wrong(StackMoved)
        if intent.verb == "push":
            version = Version(intent.payload, [])
            return [
                model.publish(
                    intent.ref, intent.agent, intent.branch, intent.kind, intent.ts, version,
                    intent.role,
                )
            ]  # fmt: skip
        if model.stack(intent.agent, intent.branch)[-1:] != [intent.ref]:
            raise Wrong(StackMoved)
        return [model.pop(intent.branch, intent.ref)]

    def _open_or_close(self, intent: Intent) -> list[Placed]:
        model = self.model
        opens = intent.verb == "open"
        if not (opens or model.seq):
            raise Wrong(SessionNotFound)
        if model.state.is_open == opens and not (opens and "session" not in model.state.lanes):
            return []
        model.state.is_open = opens
        return [model.event("session")]

    def _change_agents(self, intent: Intent) -> list[Placed]:
        state = self.model.state
        if not state.is_open:
            raise Wrong(SessionEnded)
        before = (list(state.agents), list(state.finished))
        state.finished = [agent for agent in state.finished if agent != intent.agent]
        if intent.verb == "unregister":
            state.agents = [agent for agent in state.agents if agent != intent.agent]
        elif intent.agent not in state.agents:
            state.agents.append(intent.agent)
        if before == (state.agents, state.finished):
            return []
        return [self.model.event("agents")]

    def _ack(self, intent: Intent) -> list[Placed]:
        state, tick = self.model.state, self.model.state.tick
        stalled = tick.stalled or []
        if tick.number != intent.tick or intent.agent not in tick.agents or intent.agent in stalled:
            raise Wrong(TickRefused)
        if intent.agent in tick.acked:
            return []
        rows = [self.model.event("ack")]
        tick.acked[intent.agent] = (intent.finished, rows[0])
        if intent.finished and intent.agent not in state.finished:
            state.finished.append(intent.agent)
            rows.append(self.model.event("agents"))
        return rows
