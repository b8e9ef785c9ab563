"""A session as its twins share it: what waits to be saved, and the flows that read and save.

`eventstore.sessions` and `eventstore.async_sessions` perform the flows; everything else needs no
I/O. What waits is kept as intents (`eventstore.intents`), in the order in which it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.branch_views import BranchViews
from eventstore.deciding import Deciding, back_off, stamp
from eventstore.drafts import MAX_BATCH_EVENTS
from eventstore.errors import (
    Conflict,
    EventStoreError,
    InvalidInput,
    RefConflict,
    RefOverlap,
    Unavailable,
)
from eventstore.events import SessionClosed, SessionOpened
from eventstore.flow import Flow, call
from eventstore.intents import (
    Ack,
    Checkout,
    Close,
    Open,
    Register,
    Unregister,
    agent_of,
    lanes_of,
    searched_branches,
)
from eventstore.lanes import lane_heads
from eventstore.names import check_name
from eventstore.operations import Operations
from eventstore.redact_hook import redacted_text
from eventstore.refs import generate_ref
from eventstore.saved_unit import rows_of_repeated, rows_of_saved
from eventstore.stack_views import StackViews
from eventstore.state_errors import AgentNotRegistered, AlreadyActed
from eventstore.ticking import Ticking
from eventstore.ticks import AGENTS_LANE, TICK_LANE, Roster, ack_ref, roster_at, tick_at
from eventstore.unit import branch_at, plan
from eventstore.unit_search import search_branch

if TYPE_CHECKING:
    from eventstore.commands import Appended
    from eventstore.events import Event, Fields
    from eventstore.intents import Intent
    from eventstore.lanes import Heads
    from eventstore.parts import Parts
    from eventstore.redact_hook import Redact
    from eventstore.unit import Plan


class SessionCore:
    """One session, and the unit of work on it that waits to be saved."""

    def __init__(self, parts: Parts, session_id: str, redact: Redact | None) -> None:
        self.session_id = check_name("session_id", session_id)
        self.operations = Operations(parts.log, parts.appender, parts.payloads, redact)
        self.branches = BranchViews(self.operations)
        self.stacks = StackViews(self.operations, self.branches)
        self.log = parts.log
        self.intents: list[Intent] = []
        self._appender = parts.appender
        self.ticking = Ticking(parts.log, parts.appender, Deciding(parts.log, parts.appender))
        # A save ended with its outcome unknown: the next one looks whether it was done.
        self._is_uncertain = False

    def register(self, agent_id: str) -> None:
        """Have an agent in the session from the next save on."""
        self.intents.append(Register(self.common(agent_id)))

    def unregister(self, agent_id: str) -> None:
        """Have an agent in the session no more from the next save on."""
        self.intents.append(Unregister(self.common(agent_id)))

    def open(self, title: str | None, agent_id: str) -> None:
        """Have the session open from the next save on."""
        common = self.common(agent_id)
        said = self._redacted(SessionOpened, agent_id, "title", title)
        self.intents.append(Open(common, said))

    def close(self, reason: str | None, agent_id: str) -> None:
        """Have the session closed from the next save on."""
        common = self.common(agent_id)
        said = self._redacted(SessionClosed, agent_id, "reason", reason)
        self.intents.append(Close(common, said))

    def check_out(self, agent_id: str, branch: str) -> None:
        """Have an agent work on a branch from the next save on."""
        common = self.common(agent_id)
        self.intents.append(Checkout({**common, "branch_id": check_name("branch", branch)}))

    def agents(self) -> Flow[list[str]]:
        """Return the registered agents, in the order in which they joined."""
        heads = yield from self.heads(AGENTS_LANE)
        return list(self._roster(heads).agents)

    def tick(self) -> Flow[int]:
        """Return the number of the last tick that was started, 0 before the first."""
        heads = yield from self.heads(TICK_LANE)
        return tick_at(heads[TICK_LANE]).tick

    def branch_of(self, agent_id: str) -> Flow[str]:
        """Return the branch that an agent works on. Raises `AgentNotRegistered`."""
        agent_id = check_name("agent_id", agent_id)
        checkouts = [
            intent
            for intent in self.intents
            if isinstance(intent, Checkout) and agent_of(intent) == agent_id
        ]
        heads = yield from self.heads(AGENTS_LANE, f"checkout:{agent_id}")
        roster = self._roster(heads)
        if agent_id not in roster.agents:
            raise AgentNotRegistered(self.session_id, agent_id, roster.agents)
        if checkouts:
            branch: str = checkouts[-1].common["branch_id"]
            return branch
        return branch_at(heads, agent_id)

    def ack(self, agent_id: str, tick: int | None, finished: bool) -> Flow[None]:
        """Have an agent's part of a tick, by default the last one, done from the next save on."""
        if tick is None:
            tick = yield from self.tick()
        elif isinstance(tick, bool) or not isinstance(tick, int):
            raise InvalidInput(f"tick: a whole number, not {type(tick).__name__}")
        common = {**self.common(agent_id), "ref": ack_ref(self.session_id, tick, agent_id)}
        if any(isinstance(i, Ack) and i.common["ref"] == common["ref"] for i in self.intents):
            raise AlreadyActed(self.session_id, agent_id, tick)
        self.intents.append(Ack(common, tick, finished))

    def heads(self, *lanes: str) -> Flow[Heads]:
        """Return the ends of lanes of the session."""
        keys = self.log.keys_of(self.session_id)
        return (yield from self.log.ready(lambda: call(lane_heads(keys, self.session_id, lanes))))

    def common(self, agent_id: str) -> Fields:
        """Return what an event of an agent has in common with others, with a ref of its own."""
        return {
            "ref": generate_ref(),
            "session_id": self.session_id,
            "agent_id": check_name("agent_id", agent_id),
            **stamp(),
        }

    def _redacted(
        self, kind: type[Event], agent_id: str, name: str, text: str | None
    ) -> str | None:
        where = {"session_id": self.session_id, "agent_id": agent_id}
        return redacted_text(self.operations.redact, kind, where, name, text)

    def _roster(self, heads: Heads) -> Roster:
        """Return the agents as they are once what waits is saved."""
        roster = roster_at(heads[AGENTS_LANE])
        for intent in self.intents:
            if isinstance(intent, Register):
                roster = roster.with_agent(agent_of(intent))
            elif isinstance(intent, Unregister):
                roster = roster.without_agent(agent_of(intent))
        return roster

    def discard(self) -> None:
        """Forget what waits."""
        self.intents.clear()
        self._is_uncertain = False

    def discard_refused(self) -> None:
        """Forget what waits after a save that failed, unless it may have been appended."""
        if not self._is_uncertain:
            self.discard()

    def save(self) -> Flow[list[Appended]]:
        """Append everything that waits, all or nothing; return where its events lie.

        On an error everything goes on waiting, and may be saved again or discarded.
        """
        intents = list(self.intents)
        if not intents:
            return []
        is_known = False
        try:
            rows = yield from self._save(intents)
            is_known = True
        except EventStoreError as error:
            is_known = not isinstance(error, Unavailable)
            raise
        finally:
            # One that was cancelled may have been done as well.
            self._is_uncertain = not is_known
        del self.intents[: len(intents)]
        return rows

    def _save(self, intents: list[Intent]) -> Flow[list[Appended]]:
        attempt = 0
        while True:
            if self._is_uncertain:
                rows = yield from rows_of_saved(self.log, self.session_id, intents)
                if rows is not None:
                    return rows
            planned = yield from self._plan(intents)
            if not planned.drafts:
                return []
            try:
                return (
                    yield from self._appender.append(
                        self.session_id, planned.drafts, expect=planned.expect
                    )
                )
            except Conflict:
                attempt += 1
                yield from back_off(attempt)
            except (RefConflict, RefOverlap):
                rows = yield from rows_of_repeated(self.log, self.session_id, intents)
                if rows is None:
                    raise
                return rows

    def _plan(self, intents: list[Intent]) -> Flow[Plan]:
        heads = yield from self.heads(*lanes_of(intents))
        found: dict[str, Any] = {}
        for branch in searched_branches(intents):
            found[branch] = yield from search_branch(self.log, heads, intents, branch)
        planned = plan(self.session_id, intents, heads, found)
        if len(planned.drafts) > MAX_BATCH_EVENTS:
            raise InvalidInput(
                f"save: a unit of work has at most {MAX_BATCH_EVENTS} events, this one "
                f"{len(planned.drafts)}; save more often"
            )
        return planned
