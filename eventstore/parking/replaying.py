"""Handing a group's parked events to its handler again, in the order of the log.

A replay has a checkpoint of its own, `<group>@replay`, moved by `lua/apply.lua`: the writes for
some events and the taking back of those events are made together, exactly once, and the group's
own position is not touched. One page of events is in memory at a time. Killed, it is run again:
what it settled is parked no more, and what it handled after that is handled again. A store that is
away is waited for, `store.publish_timeout` seconds at a time.

A read model is not replayed: folds are made in the order of the log, and what an event would have
made of the rows then cannot be told from the rows now. It is rebuilt.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from eventstore.consuming.apply import apply_call, fits
from eventstore.consuming.hold import Hold
from eventstore.consuming.sending import persist, send
from eventstore.consuming.writes import Write
from eventstore.errors import Diverged, EventStoreError, GroupRefused, WriteRefused
from eventstore.flow import Call, as_is
from eventstore.known_secrets import redactor_for
from eventstore.parking.attempt import OwnFault, attempt
from eventstore.parking.blame import describe
from eventstore.parking.reading import page, size
from eventstore.parking.record import encode_parked, parked, taking_back
from eventstore.scripts import script
from eventstore.views import Checkpoint, checkpoint

if TYPE_CHECKING:
    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from eventstore.parking.record import Parked

Handle: TypeAlias = "Callable[[Recorded], Awaitable[Sequence[Write]]]"
Report: TypeAlias = Callable[["Replayed"], object]
_SETTLE_SECONDS: Final = 0.2


def replay_name(group: str) -> str:
    """Return the name of a replay's lease and checkpoint."""
    return f"{group}@replay"


class Replayed(msgspec.Struct, frozen=True):
    """What a replay did in one partition so far, of as many events as were `parked` at its start.

    `handled` of them are parked no more, or are back at work; `failed` have failed again.
    """

    partition: int
    parked: int
    handled: int = 0
    failed: int = 0


class _Tried(NamedTuple):
    """An event that was handed to the handler, and the writes that settle it, or say why not."""

    item: Parked
    event: Recorded
    writes: Sequence[Write]
    failed: bool


class Replay:
    """One run over the parked events of a group in one partition.

    `handle` is given each event and returns the writes to make with it. What it throws by the
    event's own fault leaves the event parked, with the new fault; anything else ends the run.
    `report` is called whenever some of them are settled.
    """

    def __init__(
        self, access: StoreAccess, keys: Keys, group: str, handle: Handle, report: Report
    ) -> None:
        self._access = access
        self._keys = keys
        self._group = group
        self._name = replay_name(group)
        self._handle = handle
        self._lease = Hold(access, keys.lease(self._name))
        self._names = keys.parked(group)
        self._done = Replayed(keys.partition, 0)
        self._report = report

    async def run(self) -> Replayed:
        """Replay what is parked now. Raises `GroupRefused` if another replay is under way."""
        if not await self._lease.take():
            raise self._refused()
        try:
            # Handlers may take longer than a lease lasts.
            async with self._lease.kept():
                await self._replay()
                await self._mark("")
        finally:
            await self._lease.release()
        return self._done

    async def _replay(self) -> None:
        live = await send(self._access, checkpoint(self._keys, self._group))
        self._names = self._keys.parked(self._group, live.generation)
        self._done = Replayed(self._keys.partition, await send(self._access, size(self._names)))
        # Its chain is a number that nobody has had: whatever happens to the server, an apply finds
        # this very beginning or none.
        at = Checkpoint(live.generation, 0, secrets.token_hex(8))
        await self._mark(str(at))
        self._report(self._done)
        while True:
            _, items = await persist(self._access, partial(page, self._names, at.position))
            items = [item for item in items if item.position <= live.position]
            if not items:
                return
            positions = [item.position for item in items]
            read = partial(self._access.log.at_positions, self._keys, positions)
            at = await self._take(at, items, await persist(self._access, read))

    async def _take(
        self, at: Checkpoint, items: Sequence[Parked], events: Sequence[Recorded]
    ) -> Checkpoint:
        """Hand events to the handler and settle them, many at once where handling is quick."""
        tried: list[_Tried] = []
        started = time.monotonic()
        try:
            for item, event in zip(items, events, strict=True):
                tried.append(await self._try(item, event))
                if time.monotonic() - started > _SETTLE_SECONDS:
                    settled, tried = tried, []
                    at = await self._settle(at, settled)
                    started = time.monotonic()
        except EventStoreError:
            # Something is away: what was handled before it is settled.
            await self._settle(at, tried)
            raise
        return await self._settle(at, tried)

    async def _try(self, item: Parked, event: Recorded) -> _Tried:
        if event.chain != item.chain:
            raise Diverged(
                f"partition {self._keys.partition}: position {item.position} is parked by "
                f"{self._group!r} with chain {item.chain}, and the log holds another history "
                "there; drop it, and look into what was lost"
            )
        found = await attempt(partial(self._handle, event))
        if isinstance(found, OwnFault):
            return self._failed(item, event, found.error)
        return _Tried(item, event, [*found, *taking_back(self._names, item)], failed=False)

    def _failed(self, item: Parked, event: Recorded, error: Exception) -> _Tried:
        fault = describe(error, redactor_for(self._access.settings))
        again = encode_parked(parked(event, fault, item.attempts + 1))
        writes = [Write("HSET", self._names.items, (str(item.position), again))]
        return _Tried(item, event, writes, failed=True)

    async def _settle(self, at: Checkpoint, tried: Sequence[_Tried]) -> Checkpoint:
        """Make the writes of events that were tried; return where the replay is then."""
        if not tried:
            return at
        writes = [write for each in tried for write in each.writes]
        if len(tried) > 1 and not fits(writes):
            return await self._settle_halves(at, tried)
        item, event, _, was_failed = tried[-1]
        after = Checkpoint(at.generation, item.position, item.chain)
        try:
            await self._apply(at, after, writes)
        except WriteRefused as error:
            if len(tried) > 1:
                return await self._settle_halves(at, tried)
            if was_failed:
                raise
            return await self._settle(at, [self._failed(item, event, error)])
        failed = sum(each.failed for each in tried)
        self._done = msgspec.structs.replace(
            self._done,
            handled=self._done.handled + len(tried) - failed,
            failed=self._done.failed + failed,
        )
        self._report(self._done)
        return after

    async def _settle_halves(self, at: Checkpoint, tried: Sequence[_Tried]) -> Checkpoint:
        half = len(tried) // 2
        return await self._settle(await self._settle(at, tried[:half]), tried[half:])

    async def _mark(self, start: str) -> None:
        """Set the replay's checkpoint, or forget it."""
        names, args = (self._keys.lease(self._name), self._keys.checkpoints), (self._name, start)
        step: Call[list[bytes]] = Call(script("replay"), names, (self._lease.token, *args), as_is)
        [outcome] = await send(self._access, step)
        if outcome != b"ok":
            raise self._refused()

    async def _apply(self, at: Checkpoint, after: Checkpoint, writes: Sequence[Write]) -> None:
        token = self._lease.token
        step = apply_call(self._keys, self._name, token, at, after, writes, shown=False)
        applied = await send(self._access, step)
        if applied.outcome == "diverged":
            raise Diverged(
                f"partition {self._keys.partition}: the log lost position {after.position} while "
                f"what {self._group!r} has parked was replayed; `eventstore doctor` shows more"
            )
        if applied.outcome != "ok":
            raise self._refused()

    def _refused(self) -> GroupRefused:
        return GroupRefused(
            self._group,
            f"another replay of what it has parked is under way in partition "
            f"{self._keys.partition}; run it again when that has ended",
        )
