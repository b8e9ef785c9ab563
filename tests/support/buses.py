"""Both forms of the bus behind one interface, so that one suite tests them."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, cast

from support.applying import apply_all
from support.competing import AwaitedCompeting
from support.subscribing import AwaitedSubscription

from eventstore.async_bus import AsyncEventBus
from eventstore.bus import EventBus
from eventstore.flow import Call, as_is, call
from eventstore.store import AsyncEventStore, EventStore
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from eventstore.redact_hook import Redact
    from eventstore.settings import AppSettings


class _Awaited:
    """An asyncio bus whose methods are called from outside of its loop, like the blocking ones."""

    def __init__(self, bus: AsyncEventBus, portal: BlockingPortal) -> None:
        self._bus = bus
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._bus, name)
        if name == "subscribe":
            return lambda **named: AwaitedSubscription(found(**named), self._portal)
        if name == "compete":
            return lambda **named: AwaitedCompeting(found(**named), self._portal)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *args, **named: self._portal.call(functools.partial(found, *args, **named))


class BusUnderTest:
    """A bus of either form, and beside it what moves projections and looks into the log."""

    def __init__(
        self, settings: AppSettings, portal: BlockingPortal | None, redact: Redact | None = None
    ) -> None:
        self.settings = settings
        self.portal = portal
        self.redact = redact
        self.store = EventStore(settings)
        self.bus = EventBus(self.store, redact=redact)
        if portal is not None:
            self.awaited = portal.call(_async_bus, settings, redact)
            self.bus = cast("EventBus", _Awaited(self.awaited, portal))

    def project(self) -> None:
        """Take every projection to the head of every partition."""
        apply_all(self.store, PROJECTIONS)

    def damage(self, key: str) -> None:
        """Take a key out of the server."""
        self.store.reading(lambda: call(Call("UNLINK", (key,), (), as_is)))

    @property
    def events(self) -> int:
        """How many events the log holds."""
        return sum(head.position for head in self.store.head())

    def close(self) -> None:
        self.bus.close()
        self.store.close()


async def _async_bus(settings: AppSettings, redact: Redact | None) -> AsyncEventBus:
    return AsyncEventBus(AsyncEventStore(settings), redact=redact)
