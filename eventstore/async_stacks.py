"""Stacks: the rows of an agent on the branch that it works on, for asyncio callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.stack_core import ASSISTANT, StackCore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from eventstore.flow import Flow
    from eventstore.operations import Row
    from eventstore.session_core import SessionCore


class AsyncStack:
    """The stack of an agent of a session; `await session.stack_for(agent_id)` gives it.

    The methods are those of `eventstore.stacks.Stack`; those that read are awaited.
    """

    def __init__(
        self,
        session: SessionCore,
        agent_id: str,
        branch: str,
        run: Callable[[Flow[Any]], Awaitable[Any]],
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
        """Put rows on top, all of them or none, at the next save; return their refs."""
        return self._core.push(states)

    async def pop(self) -> Row:
        """Take the last row off, at the next save, and return it."""
        row: Row = await self._run(self._core.pop())
        return row

    def checkout(self, branch: str) -> None:
        """Have the agent work on another branch from the next save on; the stack is that one's."""
        self._core.check_out(branch)

    async def length(self) -> int:
        """Return how many rows there are."""
        count: int = await self._run(self._core.length())
        return count

    async def current(self) -> Row | None:
        """Return the last row as (header, payload), None on an empty stack."""
        row: Row | None = await self._run(self._core.current())
        return row

    async def at(self, depth: int) -> Row:
        """Return the row at a place: 0 is the oldest, -1 the last. Raises `NotOnStack`."""
        row: Row = await self._run(self._core.at(depth))
        return row

    async def iter_last_n(self, n: int) -> AsyncIterator[Row]:
        """Yield the last `n` rows, oldest first."""
        rows: list[Row] = await self._run(self._core.last(n))
        for row in rows:
            yield row

    async def last_assistant_message(self) -> Row | None:
        """Return the last row whose role is "assistant", however far back; None without one."""
        row: Row | None = await self._run(self._core.last_of_role(ASSISTANT))
        return row
