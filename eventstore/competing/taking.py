"""Taking work: dispatch what was appended, ask for what is ready, take over what was abandoned."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from eventstore import commands
from eventstore.competing import calls
from eventstore.competing.dispatching import dispatch_next
from eventstore.competing.piece import Piece, load_piece
from eventstore.consuming.backoff import pause_after
from eventstore.flow import call
from eventstore.parking.attempt import OwnFault, attempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.streams.memory import MemoryObjectSendStream

    from eventstore.competing.calls import Seat, Taken
    from eventstore.competing.hands import Hands
    from eventstore.competing.settling import Settler
    from eventstore.consuming.access import StoreAccess
    from eventstore.flow import Call
    from eventstore.keys import Keys
    from eventstore.subscribing.wanted import Wanted

    Guard: TypeAlias = Callable[[Callable[[], Awaitable[None]]], Awaitable[bool]]

_WAIT_MS: Final = 1000
_log = logging.getLogger(__name__)


class Taking:
    """The work of one group as it comes into this process's hands.

    `guard` does something and says whether it was done; what it does not raise it has dealt with.
    """

    def __init__(
        self,
        access: StoreAccess,
        wanted: Wanted,
        hands: Hands,
        settler: Settler,
        ready: MemoryObjectSendStream[Piece],
        guard: Guard,
    ) -> None:
        self.seat: Seat = calls.Seat("", ())
        self._access = access
        self._wanted = wanted
        self._hands = hands
        self._settler = settler
        self._ready = ready
        self._guard = guard

    async def dispatch(self, keys: Keys) -> None:
        """Put what is appended on work at once, if it falls to this process to do so.

        Each partition falls to one of those who compete; the others do it when they find no work.
        """
        places = self.seat.live
        if places[keys.partition % len(places)] != self.seat.number:
            await anyio.sleep(_WAIT_MS / 1000)
            return
        done = await self._access.run(dispatch_next(self._access.log, keys, self._wanted))
        wait = _WAIT_MS if done.wait is None else max(1, min(_WAIT_MS, done.wait))
        if done.is_full:
            await anyio.sleep(wait / 1000)
        elif not done.added:
            await self._access.run(call(commands.entries_after(keys, done.position, 1, wait)))

    async def take(self, keys: Keys) -> None:
        """Take work of a partition, or wait a while for some."""
        await self._hands.until_room()
        done = await self._access.run(dispatch_next(self._access.log, keys, self._wanted))
        taken = await self._take(
            lambda room: calls.take_new(keys, self._wanted.group, self._consumer, room)
        )
        if taken is None:
            return
        if taken:
            await self.hand_out(taken)
        else:
            step = calls.wait_for_work(keys, self._wanted.group, done.last, _WAIT_MS)
            await self._access.run(call(step))

    async def claim(self, keys: Keys, takeover_ms: int) -> list[Taken]:
        """Take over what nobody has said anything of for that long."""
        deleted: list[str] = []

        def step(room: int) -> Call[list[Taken]]:
            return calls.claim(keys, self._wanted.group, self._consumer, takeover_ms, room, deleted)

        taken = await self._take(step)
        if deleted:
            _log.error(
                "group %s/%d: somebody deleted work that was in hand, entries %s; which events "
                "they were of cannot be told",
                *(self._wanted.group, keys.partition, ", ".join(deleted)),
            )
        return taken or []

    async def hand_out(self, taken: list[Taken]) -> None:
        """Load pieces of work, and hand them to whoever asks next."""
        for each in taken:
            failures = 0
            while self._hands.holds(each) and not await self._guard(partial(self._load, each)):
                failures += 1
                await anyio.sleep(pause_after(failures))

    @property
    def _consumer(self) -> str:
        return f"c{self.seat.number}"

    async def _take(self, step: Callable[[int], Call[list[Taken]]]) -> list[Taken] | None:
        """Take as much as there is room for; None if there is none."""
        room = self._hands.reserve()
        if not room:
            return None
        taken: list[Taken] = []
        try:
            # Cancelled in the middle, it would have work in its hands and not know of it.
            with anyio.CancelScope(shield=True):
                taken = await self._access.run(call(step(room)))
        finally:
            self._hands.put(room, taken)
        return taken

    async def _load(self, taken: Taken) -> None:
        piece = Piece(taken)
        if not taken.position:
            await self._settler.discard(piece)
            return
        if taken.attempt > self._access.settings.consuming.attempts:
            await self._access.run(load_piece(self._access, piece, payload=False))
            await self._settler.give_up(piece)
            return
        load = load_piece(self._access, piece, payload=self._wanted.payloads)
        found = await attempt(partial(self._access.run, load))
        if isinstance(found, OwnFault):
            await self._settler.fail(piece, found.error)
        elif self._hands.holds(taken):
            # Closed: this process leaves, and what is in hand goes back.
            with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                self._ready.send_nowait(piece)
