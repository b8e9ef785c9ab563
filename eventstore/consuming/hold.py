"""Holding a lease for one piece of work: it is said now and then that it goes on."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from eventstore.consuming.lease import BEATS_PER_LEASE, Lease
from eventstore.errors import EventStoreError
from eventstore.flow import call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventstore.consuming.access import StoreAccess

_FAREWELL_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


class Hold:
    """One lease, taken once and kept: by calls of `keep` between steps, or inside of `kept`.

    Nothing rests on it but that nobody works in vain: the scripts say `fenced` if it is lost.
    """

    def __init__(self, access: StoreAccess, key: str) -> None:
        seconds = access.settings.store.lease_seconds
        self._access = access
        self._key = key
        self._lease = Lease(access, key, seconds)
        self._pause = seconds / BEATS_PER_LEASE
        self._due = 0.0

    @property
    def token(self) -> str:
        """The token of this acquisition, '' while the lease is not held."""
        return self._lease.token

    async def take(self) -> bool:
        """Take the lease once its holder let go or stood still; False if the holder lives."""
        first = ""
        while True:
            now, seen = await self._look()
            first = first or seen
            if seen and seen != first:
                return False
            if await self._acquire(now):
                return True
            await anyio.sleep(self._pause)

    async def seize(self) -> None:
        """Take the lease from whoever holds it."""
        self._lease.watch.patience = 0.0
        while True:
            now, _ = await self._look()
            if await self._acquire(now):
                return

    async def keep(self) -> None:
        """Beat, if it is time to."""
        if self._lease.token and time.monotonic() >= self._due:
            self._due = time.monotonic() + self._pause
            await self._lease.beat()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Beat meanwhile, for steps that may take long; they must not block the event loop."""
        is_over = anyio.Event()
        beating = asyncio.create_task(self._beat_until(is_over))
        try:
            yield
        finally:
            is_over.set()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([beating])

    async def release(self) -> None:
        """Let go of the lease if it is held, also while being cancelled."""
        with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
            try:
                await self._lease.release()
            except EventStoreError as error:
                _log.warning("%s stays behind for a while: %s", self._key, error)

    async def _beat_until(self, is_over: anyio.Event) -> None:
        while self._lease.token:
            with anyio.move_on_after(self._pause):
                await is_over.wait()
                return
            try:
                await self._lease.beat()
            except EventStoreError as error:
                # The steps meet it too, and say so.
                _log.info("%s is not kept: %s", self._key, error)

    async def _look(self) -> tuple[float, str]:
        seen = await self._access.run(call(self._lease.look_call()))
        now = time.monotonic()
        self._lease.watch.look(seen, now)
        return now, seen

    async def _acquire(self, now: float) -> bool:
        held = await self._lease.acquire(now)
        self._due = time.monotonic() + self._pause
        return held
