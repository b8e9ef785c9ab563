"""Sessions: agents, ticks and stacks of a conversation, for blocking callers.

    session = get_session("c-1")
    session.register_agent("writer")
    session.stack_for("writer").push({"role": "user", "content": "hello"})
    session.save()

`eventstore.async_sessions` is the asyncio twin; a test compares them.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from eventstore.client_bus import bus_for
from eventstore.deciding import deciding_agent
from eventstore.errors import EventStoreError
from eventstore.session_cache import SessionCache
from eventstore.session_core import SessionCore
from eventstore.stacks import Stack

if TYPE_CHECKING:
    import redis

    from eventstore.bus import EventBus
    from eventstore.commands import Appended
    from eventstore.flow import Flow
    from eventstore.ticks import Barrier

T = TypeVar("T")


class Session:
    """One conversation, and a unit of work on it. For one thread at a time.

    What changes the session waits until `save()`, which appends it in one batch, all or nothing,
    by what holds at that moment; only ticks are started and given up at once. As a context
    manager it saves at the end of the block, and discards what waits if the block raises or the
    save is refused, so that the block can be run again; what may have been appended goes on
    waiting.
    """

    def __init__(self, bus: EventBus, session_id: str) -> None:
        self._bus = bus
        self._core = SessionCore(bus.store.parts, session_id, bus.redact)

    @property
    def session_id(self) -> str:
        """The conversation's id."""
        return self._core.session_id

    @property
    def bus(self) -> EventBus:
        """The bus of the session's store, for branches, search and all else."""
        return self._bus

    @property
    def agents(self) -> list[str]:
        """The registered agents, in the order in which they joined; waiting ones included."""
        return self._run(self._core.agents())

    @property
    def tick(self) -> int:
        """The number of the last tick that was started, 0 before the first; never a stale one."""
        return self._run(self._core.tick())

    def register_agent(self, agent_id: str) -> None:
        """Have an agent in the session, and live, from the next save on; again changes nothing."""
        self._core.register(agent_id)

    def unregister_agent(self, agent_id: str) -> None:
        """Have an agent in the session no more from the next save on; its rows stay."""
        self._core.unregister(agent_id)

    def stack_for(self, agent_id: str) -> Stack:
        """Return the stack of an agent on the branch that it works on.

        Raises `AgentNotRegistered`.
        """
        branch = self._run(self._core.branch_of(agent_id))
        return Stack(self._core, agent_id, branch, self._run)

    def ack(self, agent_id: str, tick: int | None = None, *, finished: bool = False) -> None:
        """Have an agent's part of a tick done from the next save on, together with its rows.

        `tick` is the last one started by default. With `finished` no later tick waits for the
        agent, until it is registered again. The save raises `TickRefused` once the tick is past
        or was given up without the agent, and `AlreadyActed` if another unit of work did the
        agent's part before; but the same ack alone, made again, adds nothing and is no error.
        """
        self._run(self._core.ack(agent_id, tick, finished))

    def start_tick(self, after: int | None = None, *, ref: str | None = None) -> Barrier:
        """Start the next tick at once, for the agents that are live; return its barrier.

        `after` is the tick that it must follow, by default whichever is the last. Raises
        `TickRefused` while that one waits for somebody, or if another was started since.
        """
        return self._run(self._core.ticking.start(self.session_id, after, None, ref))

    def give_up_tick(self, tick: int, *, ref: str | None = None) -> Appended:
        """End a tick at once without the agents that it still waits for, which have stalled.

        Raises `TickRefused` if it waits for nobody, or is not the last tick.
        """
        return self._run(self._core.ticking.give_up(self.session_id, tick, None, ref))

    def barrier(self) -> Barrier:
        """Return where the last tick stands: who acknowledged it, and for whom it waits."""
        return self._run(self._core.ticking.barrier(self.session_id))

    def open(self, title: str | None = None) -> list[Appended]:
        """Open the session at once, if it is not open already, and save all that waits."""
        self._core.open(title, deciding_agent(None))
        return self.save()

    def close(self, reason: str | None = None) -> list[Appended]:
        """End the conversation at once, after all that waits: nothing is added through it then.

        `bus.publish` goes on taking what names the session. Raises `SessionNotFound` if there is
        no such session.
        """
        self._core.close(reason, deciding_agent(None))
        return self.save()

    @property
    def pending(self) -> int:
        """How many changes wait to be saved."""
        return len(self._core.intents)

    def save(self) -> list[Appended]:
        """Append what waits in one batch, all or nothing; return where its events lie.

        Whatever others did meanwhile, the batch is decided by what holds when it is appended; no
        tick goes back, since a save writes none. Raises `StackMoved` if an agent's stack is no
        longer what was popped from or pushed to, `AgentNotRegistered`, `SessionEnded`, and what
        the changes themselves raise. On an error nothing was appended and everything goes on
        waiting; after an `Unavailable` the outcome is unknown, and saving again finds out.
        """
        return self._run(self._core.save())

    def discard(self) -> None:
        """Forget what waits."""
        self._core.discard()

    def _run(self, flow: Flow[T]) -> T:
        return self._bus.store.runner.run(flow)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.discard()
            return
        try:
            self.save()
        except EventStoreError:
            self._core.discard_refused()
            raise


class _OfThread(threading.local):
    """The sessions of each thread."""

    def __init__(self) -> None:
        self.sessions: SessionCache[Session] = SessionCache(time.monotonic)


_of_thread = _OfThread()


def _forget_all() -> None:
    _of_thread.sessions = SessionCache(time.monotonic)


os.register_at_fork(after_in_child=_forget_all)


def get_session(
    conversation_id: str, redis_client: EventBus | redis.Redis | None = None
) -> Session:
    """Return this thread's session of a conversation; nothing is read or written yet.

    A second call in the thread returns the same one, until `session.idle_seconds` have gone by
    without any, and nothing waits. `redis_client` says which server is meant:
    None, the store of the settings; a client, the store on its server (`eventstore.client_bus`).
    """
    bus = bus_for(redis_client)
    idle = bus.store.parts.settings.session.idle_seconds
    return _of_thread.sessions.get(
        bus, conversation_id, idle, lambda: Session(bus, conversation_id)
    )
