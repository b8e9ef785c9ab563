"""Sessions: agents, ticks and stacks of a conversation, for asyncio callers.

    session = get_async_session("c-1")
    session.register_agent("writer")
    (await session.stack_for("writer")).push({"role": "user", "content": "hello"})
    await session.save()

The twin of `eventstore.sessions`. What reads or saves is awaited, `agents` and `tick` too; what
only waits to be saved is not.
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from eventstore.async_client_bus import async_bus_for
from eventstore.async_stacks import AsyncStack
from eventstore.deciding import deciding_agent
from eventstore.errors import EventStoreError
from eventstore.session_cache import SessionCache
from eventstore.session_core import SessionCore

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from eventstore.async_bus import AsyncEventBus
    from eventstore.async_client_bus import AsyncClient
    from eventstore.commands import Appended
    from eventstore.flow import Flow
    from eventstore.ticks import Barrier

T = TypeVar("T")


class AsyncSession:
    """One conversation, and a unit of work on it. For one task at a time.

    The members are those of `eventstore.sessions.Session`; what they promise is said there.
    """

    def __init__(self, bus: AsyncEventBus, session_id: str) -> None:
        self._bus = bus
        self._core = SessionCore(bus.store.parts, session_id, bus.redact)

    @property
    def session_id(self) -> str:
        """The conversation's id."""
        return self._core.session_id

    @property
    def bus(self) -> AsyncEventBus:
        """The bus of the session's store, for branches, search and all else."""
        return self._bus

    @property
    def agents(self) -> Coroutine[Any, Any, list[str]]:
        """The registered agents, in the order in which they joined; waiting ones included."""
        return self._run(self._core.agents())

    @property
    def tick(self) -> Coroutine[Any, Any, int]:
        """The number of the last tick that was started, 0 before the first; never a stale one."""
        return self._run(self._core.tick())

    def register_agent(self, agent_id: str) -> None:
        """Have an agent in the session, and live, from the next save on; again changes nothing."""
        self._core.register(agent_id)

    def unregister_agent(self, agent_id: str) -> None:
        """Have an agent in the session no more from the next save on; its rows stay."""
        self._core.unregister(agent_id)

    async def stack_for(self, agent_id: str) -> AsyncStack:
        """Return the stack of an agent on the branch that it works on."""
        branch = await self._run(self._core.branch_of(agent_id))
        return AsyncStack(self._core, agent_id, branch, self._run)

    async def ack(self, agent_id: str, tick: int | None = None, *, finished: bool = False) -> None:
        """Have an agent's part of a tick done from the next save on, together with its rows."""
        await self._run(self._core.ack(agent_id, tick, finished))

    async def start_tick(self, after: int | None = None, *, ref: str | None = None) -> Barrier:
        """Start the next tick at once, for the agents that are live; return its barrier."""
        return await self._run(self._core.ticking.start(self.session_id, after, None, ref))

    async def give_up_tick(self, tick: int, *, ref: str | None = None) -> Appended:
        """End a tick at once without the agents that it still waits for, which have stalled."""
        return await self._run(self._core.ticking.give_up(self.session_id, tick, None, ref))

    async def barrier(self) -> Barrier:
        """Return where the last tick stands: who acknowledged it, and for whom it waits."""
        return await self._run(self._core.ticking.barrier(self.session_id))

    async def open(self, title: str | None = None) -> list[Appended]:
        """Open the session at once, if it is not open already, and save all that waits."""
        self._core.open(title, deciding_agent(None))
        return await self.save()

    async def close(self, reason: str | None = None) -> list[Appended]:
        """End the conversation at once, after all that waits: nothing is added through it then."""
        self._core.close(reason, deciding_agent(None))
        return await self.save()

    @property
    def pending(self) -> int:
        """How many changes wait to be saved."""
        return len(self._core.intents)

    async def save(self) -> list[Appended]:
        """Append what waits in one batch, all or nothing; return where its events lie."""
        return await self._run(self._core.save())

    def discard(self) -> None:
        """Forget what waits."""
        self._core.discard()

    async def _run(self, flow: Flow[T]) -> T:
        return await self._bus.store.runner.run(flow)

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.discard()
            return
        try:
            await self.save()
        except EventStoreError:
            self._core.discard_refused()
            raise


_of_task: weakref.WeakKeyDictionary[asyncio.Task[Any], SessionCache[AsyncSession]] = (
    weakref.WeakKeyDictionary()
)
os.register_at_fork(after_in_child=_of_task.clear)


def get_async_session(conversation_id: str, redis_client: AsyncClient = None) -> AsyncSession:
    """Return this task's session of a conversation; nothing is read or written yet.

    As `eventstore.sessions.get_session`, for the running task instead of the thread. Raises
    `RuntimeError` outside of a task.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("get_async_session: there is no running task whose session it would be")
    bus = async_bus_for(redis_client)
    idle = bus.store.parts.settings.session.idle_seconds
    sessions = _of_task.setdefault(task, SessionCache(time.monotonic))
    return sessions.get(bus, conversation_id, idle, lambda: AsyncSession(bus, conversation_id))
