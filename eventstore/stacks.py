"""Stacks: the rows of an agent on the branch that it works on, for blocking callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.stack_core import ASSISTANT, StackCore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventstore.flow import Flow
    from eventstore.operations import Row
    from eventstore.session_core import SessionCore


class Stack:
    """The stack of an agent of a session; `session.stack_for(agent_id)` gives it.

    Its rows are the visible artifacts of its agent on its branch, of the types state, tool_call
    and tool_result, whoever published them. What is pushed and popped waits for `session.save()`;
    reads show it already. Reads of saved rows are reads of a projection, as `bus.history` is.
    """

    def __init__(
        self, session: SessionCore, agent_id: str, branch: str, run: Callable[[Flow[Any]], Any]
    ) -> None:
        self._core = StackCore(session, agent_id, branch)
        self._run = run

    @property
    def agent_id(self) -> str:
        """The agent whose stack it is."""
        return self._core.agent_id

    @property
    def branch(self) -> str:
        """The branch whose rows it has: the one that the agent worked on when it was taken."""
        return self._core.branch

    def push(self, *states: Any) -> list[str]:
        """Put rows on top, all of them or none, at the next save; return their refs.

        A state is a payload (any JSON value, text or bytes), or a pair of header and payload as
        `bus.publish` takes them, without session, agent and branch; its type is "state" unless
        the header says otherwise. A tool_result without parents is linked, at the save, to the
        nearest call before it on the branch that has its `tool_call_id`, or its tool's name
        without one, and no result yet. Raises `InvalidEvent` or `InvalidName` naming the field.
        """
        return self._core.push(states)

    def pop(self) -> Row:
        """Take the last row off, at the next save, and return it.

        Rows of other agents above it stay. It stays readable (`bus.get`, `search`, `as_of`), and
        branches that were forked from it go on showing it. Raises `NotOnStack` on an empty stack,
        `BranchNotFound` if the branch that was checked out is not there.
        """
        row: Row = self._run(self._core.pop())
        return row

    def checkout(self, branch: str) -> None:
        """Have the agent work on another branch from the next save on; the stack is that one's.

        The save raises `BranchNotFound` if there is no such branch.
        """
        self._core.check_out(branch)

    def length(self) -> int:
        """Return how many rows there are."""
        count: int = self._run(self._core.length())
        return count

    def current(self) -> Row | None:
        """Return the last row as (header, payload), None on an empty stack."""
        row: Row | None = self._run(self._core.current())
        return row

    def at(self, depth: int) -> Row:
        """Return the row at a place: 0 is the oldest, -1 the last. Raises `NotOnStack`."""
        row: Row = self._run(self._core.at(depth))
        return row

    def iter_last_n(self, n: int) -> Iterator[Row]:
        """Yield the last `n` rows, oldest first."""
        rows: list[Row] = self._run(self._core.last(n))
        yield from rows

    def last_assistant_message(self) -> Row | None:
        """Return the last row whose role is "assistant", however far back; None without one.

        The role is that of the header, which a pushed chat message gets from its payload.
        """
        row: Row | None = self._run(self._core.last_of_role(ASSISTANT))
        return row
