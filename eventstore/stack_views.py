"""Rows of an agent's stack on a branch, from the branch projection. All methods are flows.

A stack is the visible rows of one agent on one branch, of the types in `event.STACK_TYPES`, the
oldest first. The projection has a set of them for each branch that appended them; which are
visible is said by the lineage of the branch that is looked at.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from eventstore.errors import SessionNotFound
from eventstore.flow import Call, Flow
from eventstore.searching import Header, found_in, full_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstore.branch_views import BranchViews
    from eventstore.events import Segment
    from eventstore.keys import ProjectionKeys
    from eventstore.operations import Operations, Row
    from eventstore.searching import Found

_PAGE = 100


class StackViews:
    """Reads of the stacks of a store; `dropped` leaves out so many rows at the top."""

    def __init__(self, operations: Operations, branches: BranchViews) -> None:
        self._operations = operations
        self._branches = branches
        self._log = operations.log
        self._views = operations.views

    def length(self, session_id: str, branch: str, agent_id: str, dropped: int) -> Flow[int]:
        """Return how many rows a stack has."""
        keys = self._log.keys_of(session_id)
        counted = yield from self._views.settled(
            keys, partial(self._counted, session_id, branch, agent_id)
        )
        return max(0, sum(count for _, count in counted) - dropped)

    def rows(
        self,
        session_id: str,
        branch: str,
        agent_id: str,
        chosen: Callable[[int], tuple[int, int]],
        dropped: int,
    ) -> Flow[list[Row]]:
        """Return the rows from one place up to but not another, which `chosen` makes of the length.

        Places count from 0, the oldest row. What is outside of the stack is left out.
        """
        keys = self._log.keys_of(session_id)
        headers = yield from self._views.settled(
            keys, partial(self._headers, session_id, branch, agent_id, chosen, dropped)
        )
        return (yield from self._operations.with_payloads(keys, session_id, headers))

    def last_of_role(
        self, session_id: str, branch: str, agent_id: str, role: str, dropped: int
    ) -> Flow[Row | None]:
        """Return the last row that has a role, however far back it is."""
        keys = self._log.keys_of(session_id)
        stop = yield from self.length(session_id, branch, agent_id, dropped)
        while stop > 0:
            start = max(0, stop - _PAGE)
            headers = yield from self._views.settled(
                keys, partial(self._headers, session_id, branch, agent_id, _between(start, stop), 0)
            )
            for header in reversed(headers):
                if header.get("role") == role:
                    (row,) = yield from self._operations.with_payloads(keys, session_id, [header])
                    return row
            stop = start
        return None

    def _headers(
        self,
        session_id: str,
        branch: str,
        agent_id: str,
        chosen: Callable[[int], tuple[int, int]],
        dropped: int,
    ) -> Flow[list[Header]]:
        counted = yield from self._counted(session_id, branch, agent_id)
        length = max(0, sum(count for _, count in counted) - dropped)
        start, stop = chosen(length)
        wanted = _overlapping(counted, max(0, start), min(stop, length))

        def calls(projection: ProjectionKeys) -> list[Call[list[Found]]]:
            return [
                Call(
                    "ZRANGEBYSCORE",
                    (projection.stack(session_id, owner, agent_id),),
                    (lo, hi, "LIMIT", offset, count),
                    _found,
                )
                for (owner, lo, hi), offset, count in wanted
            ]

        if not wanted:
            return []
        keys = self._log.keys_of(session_id)
        pages = yield from self._views.query("branch", keys, calls)
        rows = [row for page in pages for row in page]
        return (yield from full_headers(self._views, keys, session_id, rows))

    def _counted(
        self, session_id: str, branch: str, agent_id: str
    ) -> Flow[list[tuple[Segment, int]]]:
        """Return the ranges of steps that a branch shows, each with the agent's rows in it."""
        try:
            ranges = (yield from self._branches.shown(session_id, branch)).history.ranges
        except SessionNotFound:
            # The stack of a session that nothing was saved of yet.
            return []
        if not ranges:
            return []

        def calls(projection: ProjectionKeys) -> list[Call[Any]]:
            return [
                Call("ZCOUNT", (projection.stack(session_id, owner, agent_id),), (lo, hi), int)
                for owner, lo, hi in ranges
            ]

        counts = yield from self._views.query("branch", self._log.keys_of(session_id), calls)
        return list(zip(ranges, counts, strict=True))


def _between(start: int, stop: int) -> Callable[[int], tuple[int, int]]:
    return lambda _length: (start, stop)


def _overlapping(
    counted: list[tuple[Segment, int]], start: int, stop: int
) -> list[tuple[Segment, int, int]]:
    """Return which rows of which ranges make up a slice: (range, first of its rows, how many)."""
    wanted = []
    before = 0
    for segment, count in counted:
        first, last = max(start - before, 0), min(stop - before, count)
        if first < last:
            wanted.append((segment, first, last - first))
        before += count
    return wanted


def _found(reply: list[bytes]) -> list[Found]:
    return [found_in(member) for member in reply]
