"""Both forms of sessions and stacks behind one interface, so that one suite tests them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

from eventstore.async_bus import AsyncEventBus
from eventstore.async_sessions import AsyncSession
from eventstore.async_stacks import AsyncStack
from eventstore.sessions import Session
from eventstore.store import AsyncEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from anyio.from_thread import BlockingPortal
    from support.buses import BusUnderTest


class Clients:
    """Clients of one store, each with a session of its own, as processes would have."""

    def __init__(self, tested: BusUnderTest) -> None:
        self._tested = tested
        self._portal = tested.portal
        self._bus = None if tested.portal is None else tested.portal.call(self._open)

    async def _open(self) -> AsyncEventBus:
        return AsyncEventBus(AsyncEventStore(self._tested.settings), redact=self._tested.redact)

    def session(self, session_id: str = "s") -> Session:
        """Return a session that shares nothing with others but the store."""
        if self._portal is None:
            return Session(self._tested.bus, session_id)
        assert self._bus is not None
        return cast("Session", Awaited(AsyncSession(self._bus, session_id), self._portal))

    def close(self) -> None:
        """Close the connections of asyncio sessions."""
        if self._portal is not None and self._bus is not None:
            self._portal.call(self._bus.close)


class Awaited:
    """An asyncio session or stack whose members are used from outside of its loop."""

    def __init__(self, twin: AsyncSession | AsyncStack, portal: BlockingPortal) -> None:
        self._twin = twin
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._twin, name)
        if not callable(found):
            return self._done(found)
        return lambda *args, **named: self._done(found(*args, **named))

    def _done(self, found: Any) -> Any:
        if inspect.isasyncgen(found):
            found = _all_of(found)
        if inspect.isawaitable(found):
            found = self._portal.call(_awaited, found)
        if isinstance(found, (AsyncSession, AsyncStack)):
            return Awaited(found, self._portal)
        return found

    def __enter__(self) -> Awaited:
        self._done(self._twin.__aenter__())  # type: ignore[union-attr]
        return self

    def __exit__(self, *raised: Any) -> None:
        self._done(self._twin.__aexit__(*raised))  # type: ignore[union-attr]


async def _awaited(found: Awaitable[Any]) -> Any:
    return await found


async def _all_of(found: AsyncIterator[Any]) -> list[Any]:
    return [each async for each in found]
