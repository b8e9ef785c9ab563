"""What the sample's agents do, as artifacts whose refs follow from the session and the order.

The same run again publishes the same events under the same refs, and so adds none.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from consumers.demo.tools import TOOLS, ToolError
from eventstore.errors import BranchExists
from eventstore.events import MAIN_BRANCH
from eventstore.refs import derived_ref

if TYPE_CHECKING:
    from eventstore.bus import EventBus
    from eventstore.commands import Appended


class Transcript:
    """Publishes into one session. `added` counts the events that were not there before."""

    def __init__(self, bus: EventBus, session_id: str) -> None:
        self.bus = bus
        self.session_id = session_id
        self.added = 0
        self._published: Counter[str] = Counter()
        self._heads = {head.partition: head.position for head in bus.store.head()}
        self._partition = bus.store.parts.log.keys_of(session_id).partition

    def publish(
        self,
        agent: str,
        type_: str,
        payload: Any,
        *,
        branch: str = MAIN_BRANCH,
        after: Appended | None = None,
        **header: Any,
    ) -> Appended:
        """Publish what an agent made; `after` is what it comes from."""
        number = self._published[branch]
        self._published[branch] += 1
        fields = {
            "ref": derived_ref("sample", self.session_id, branch, str(number)),
            "session_id": self.session_id,
            "agent_id": agent,
            "branch_id": branch,
            "type": type_,
            "parent_refs": [] if after is None else [after.ref],
            **header,
        }
        appended = self.bus.publish(fields, payload)
        self.added += appended.position > self._heads.get(self._partition, 0)
        return appended

    def use(
        self, agent: str, tool: str, *, branch: str = MAIN_BRANCH, after: Appended, **arguments: Any
    ) -> tuple[Any, Appended]:
        """Call a tool for an agent; publish the call and the result, and return the result."""
        call = self.publish(
            agent, "tool_call", {"name": tool, "arguments": arguments}, branch=branch, after=after
        )
        try:
            result, status = TOOLS[tool](**arguments), "ok"
        except ToolError as error:
            result, status = {"error": str(error)}, "error"
        answer = self.publish(
            agent,
            "tool_result",
            result,
            branch=branch,
            after=call,
            tool_name=tool,
            status=status,
            mime="application/json",
        )
        return result, answer

    def fork(self, at: int, name: str, agent: str) -> None:
        """Open a branch, unless an earlier run has."""
        try:
            self.bus.fork(self.session_id, at, name, agent_id=agent)
        except BranchExists:
            return
        self.added += 1
