"""Looking back through a session's log for what a stack's next decision needs.

A decision sees the log as it is, not as a projection has come to show it: the last rows of an
agent, which a pop hides, and the calls without an answer, which results link to.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from eventstore.event import STACK_TYPES
from eventstore.events import ArtifactPublished
from eventstore.tool_calls import OpenCall, OpenCalls, pairing_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from eventstore.codec import Recorded
    from eventstore.flow import Flow
    from eventstore.lineage import History
    from eventstore.log import Log
    from eventstore.tool_calls import PairingKey

_FIRST_PAGE: Final = 32
_LARGEST_PAGE: Final = 500


class StackRow(NamedTuple):
    """A visible row of a stack: its ref, and the step that it is."""

    ref: str
    step_idx: int


class Wanted(NamedTuple):
    """What is looked for on one branch: so many last rows of agents, so many calls by key.

    `popped` are refs of rows that are about to be hidden: no calls, and no answers to any.
    """

    history: History
    rows: Mapping[str, int] = {}
    calls: Mapping[PairingKey, int] = {}
    popped: Collection[str] = ()


class Found(NamedTuple):
    """What there was: the last rows of agents, the last one first; the calls without answer."""

    rows: Mapping[str, list[StackRow]]
    calls: OpenCalls


def look_back(log: Log, session_id: str, seq: int, wanted: Wanted) -> Flow[Found]:
    """Return what a branch shows of what is wanted, from the events before `seq`. A flow.

    Reads backwards, in growing pages, until everything is found or nothing is left.
    """
    search = _Search(wanted)
    end, size = seq, _FIRST_PAGE
    while end > 0 and not search.is_done():
        start = max(0, end - size)
        page = yield from log.read(session_id, from_seq=start, to_seq=end, backwards=True)
        for recorded in page:
            search.see(recorded)
            if search.is_done():
                break
        end, size = start, min(2 * size, _LARGEST_PAGE)
    return search.found()


class _Search:
    """What was found of one branch so far, going backwards."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for owner, lo, hi in wanted.history.ranges:
            self._ranges[owner].append((lo, hi))
        self._rows: dict[str, list[StackRow]] = {agent: [] for agent in wanted.rows}
        self._answered: set[str] = set()
        self._calls = {key: _Calls(count) for key, count in wanted.calls.items()}

    def is_done(self) -> bool:
        """Return whether nothing further back could change the answer."""
        return all(
            len(self._rows[agent]) == count for agent, count in self._wanted.rows.items()
        ) and all(calls.is_done for calls in self._calls.values())

    def see(self, recorded: Recorded) -> None:
        """Take in the event before those that were seen."""
        event = recorded.event
        if not isinstance(event, ArtifactPublished) or event.type not in STACK_TYPES:
            return
        ranges = self._ranges.get(event.branch_id, ())
        if not any(lo <= recorded.index <= hi for lo, hi in ranges):
            return
        rows = self._rows.get(event.agent_id)
        if rows is not None and len(rows) < self._wanted.rows[event.agent_id]:
            rows.append(StackRow(event.ref, recorded.index))
        if event.ref in self._wanted.popped:
            return
        if event.type == "tool_result":
            self._answered.update(event.parent_refs)
        key = None
        if event.type == "tool_call" and event.ref not in self._answered:
            key = pairing_key(event.tool_call_id, event.tool_name)
        for each, calls in self._calls.items():
            calls.see(event, is_open=each == key)

    def found(self) -> Found:
        """Return what was found; calls in the order in which they were made."""
        calls = OpenCalls()
        for (kind, call_id), found in self._calls.items():
            for call in reversed(found.calls):
                calls.add(call_id if kind == "id" else None, call)
        return Found(self._rows, calls)


class _Calls:
    """The calls of one key without an answer, the last one first; complete turns of them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._maker = ""
        self._is_turn_over = False
        self.calls: list[OpenCall] = []

    @property
    def is_done(self) -> bool:
        """Whether enough calls are found, and with the last of them all others of its turn."""
        return len(self.calls) >= self._count and self._is_turn_over

    def see(self, event: ArtifactPublished, *, is_open: bool) -> None:
        """Take in a row of the branch, which may be a call of this key without an answer."""
        turn = turn_of(event)
        if self.calls and event.agent_id == self._maker and turn != self.calls[-1].turn:
            # The calls of a turn stand together among the rows of who makes them.
            self._is_turn_over = True
        if is_open and not self.is_done:
            self.calls.append(OpenCall(turn, event.ref, event.tool_name or ""))
            self._maker = event.agent_id
            self._is_turn_over = False


def turn_of(event: ArtifactPublished) -> str:
    """Return what names the message that made a call: its parent, else the call itself."""
    if event.type == "tool_call" and event.parent_refs:
        return event.parent_refs[0]
    return event.ref
