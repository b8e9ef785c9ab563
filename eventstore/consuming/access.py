"""The store as a worker's tasks share it: opened once for all, again when the server changed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

import anyio

from eventstore.consuming.recent import RecentEvents
from eventstore.errors import Diverged, EventStoreError, Sealed, StoreUnreachable
from eventstore.location import locate
from eventstore.parts import Parts
from eventstore.runner import AsyncRunner

if TYPE_CHECKING:
    from eventstore.appending import Appender
    from eventstore.commands import Head
    from eventstore.flow import Flow
    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.payload_store import PayloadStore
    from eventstore.settings import AppSettings

T = TypeVar("T")
# Beside one blocking read a slot: its other calls, beats, metrics.
_SPARE_CONNECTIONS = 16


class StoreAccess:
    """Runs flows on one store for many tasks of one event loop.

    While the server is away, one task at a time tries to open the store; the others wait for
    it. `failure` is why the last attempt failed, None while the store is open. `recent` decodes
    what the groups read.
    """

    def __init__(self, settings: AppSettings, groups: int) -> None:
        location = locate(settings)
        slots = groups * settings.store.partitions
        wanted = max(location.target.max_connections, 2 * slots + _SPARE_CONNECTIONS)
        target = dataclasses.replace(location.target, max_connections=wanted)
        self.location = dataclasses.replace(location, target=target)
        self.settings = settings
        self.failure: EventStoreError | None = None
        self.recent = RecentEvents()
        self._parts = Parts(settings, self.location)
        self._runner = AsyncRunner(target, self._parts.guard, self._parts.control)
        self._log = self._parts.log
        self._opening = anyio.Lock()
        self._is_open = False

    @property
    def partitions(self) -> tuple[Keys, ...]:
        """The keys of every partition."""
        return self._log.partitions

    @property
    def payloads(self) -> PayloadStore:
        """The payload store; its methods block."""
        return self._parts.payloads

    @property
    def log(self) -> Log:
        """The log, whose flows `run` performs."""
        return self._log

    @property
    def appender(self) -> Appender:
        """What appends to the log, for groups that decide; its flows are for `run`."""
        return self._parts.appender

    def heads(self) -> Flow[list[Head]]:
        """Return the end of every partition, as a flow to run."""
        return self._log.heads()

    def connections(self) -> tuple[int, int]:
        """Return how many connections to the server are idle, and how many in use."""
        return self._runner.connections()

    @property
    def max_connections(self) -> int:
        """How many connections to the server there may be at once."""
        return self.location.target.max_connections

    async def uuid(self) -> str:
        """Return the uuid of the store."""
        return (await self.run(self._log.open())).uuid

    async def run(self, flow: Flow[T]) -> T:
        """Perform a flow; after a lost connection or store the next one looks at the server first.

        Raises the flow's errors, and those of opening a store.
        """
        if not self._is_open:
            await self._open()
        try:
            return await self._runner.run(flow)
        except (Diverged, Sealed, StoreUnreachable):
            self._is_open = False
            raise

    async def look(self, flow: Flow[T]) -> T:
        """Perform a flow that copes with a store that is not open, as checks of health do."""
        return await self._runner.run(flow)

    async def _open(self) -> None:
        async with self._opening:
            if self._is_open:
                return
            self._log.forget()
            try:
                await self._runner.run(self._log.open())
            except EventStoreError as error:
                self.failure = error
                raise
            self.failure = None
            self._is_open = True

    async def close(self) -> None:
        """Close the connections and leave the embedded store, if it is one."""
        await self._runner.close()
        self._parts.leave()
