"""Settling: what becomes of a piece of work, said once and through lost replies."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from eventstore.competing import calls
from eventstore.consuming.backoff import pause_after
from eventstore.consuming.sending import send
from eventstore.flow import call
from eventstore.known_secrets import redactor_for
from eventstore.parking.blame import Fault, describe
from eventstore.parking.record import encode_parked, parked

if TYPE_CHECKING:
    from eventstore.competing.calls import Taken
    from eventstore.competing.hands import Hands
    from eventstore.competing.piece import Piece
    from eventstore.consuming.access import StoreAccess
    from eventstore.flow import Call

_log = logging.getLogger(__name__)


class Settler:
    """Settles the pieces of a group's work that are in this process's hands.

    Each method returns False if the piece is another's by now, which was told. A store that is
    away is tried for `store.publish_timeout` seconds, then its `Unavailable` raised; the piece
    stays in hand then, and the method may be called again.
    """

    def __init__(self, access: StoreAccess, group: str, hands: Hands) -> None:
        self._access = access
        self._settings = access.settings.consuming
        self._group = group
        self._hands = hands
        self._given: set[Taken] = set()
        self._settling: set[Taken] = set()

    def give(self, piece: Piece) -> None:
        """Note that the application has a piece: from now on it counts as a try."""
        self._given.add(piece.taken)

    @property
    def given(self) -> int:
        """How many pieces the application has that are not settled."""
        return len(self._given)

    async def done(self, piece: Piece) -> bool:
        """Settle a piece for good."""
        return await self._settle(piece, calls.done(self._group, piece.taken))

    async def fail(
        self, piece: Piece, error: BaseException | None, delay: float | None = None
    ) -> bool:
        """Count a failed try: the piece is tried again after a delay, or parked after the last.

        The delay is in seconds; None is one that doubles with each try.
        """
        taken = piece.taken
        if taken.attempt >= self._settings.attempts:
            said = Fault(f"rejected, at try {taken.attempt}", "")
            if error is not None:
                said = describe(error, redactor_for(self._access.settings))
            return await self._park(piece, said, taken.attempt)
        pause = self._pause(taken.attempt) if delay is None else delay
        return await self._again(piece, taken.attempt, pause)

    async def defer(self, piece: Piece, delay: float) -> bool:
        """Give a piece back without counting the try: something around it is away."""
        return await self._again(piece, piece.taken.attempt - 1, delay)

    async def give_up(self, piece: Piece) -> bool:
        """Park a piece that was given out too often, and never settled."""
        tries = piece.taken.attempt - 1
        said = Fault(f"given out {tries} times, and nobody who had it settled it", "")
        return await self._park(piece, said, tries)

    async def discard(self, piece: Piece) -> bool:
        """Take an entry out that is no work; anybody who can write to the server can add one."""
        taken = piece.taken
        settled = await self._settle(piece, calls.done(self._group, taken))
        if settled:
            _log.error(
                "group %s/%d: somebody added entry %s to its work, which names no event; it was "
                "taken out",
                *(self._group, taken.keys.partition, taken.entry),
            )
        return settled

    def lose(self, taken: Taken) -> None:
        """Note that a piece is in other hands, unless this process is about to settle it."""
        if taken in self._settling or not self._hands.holds(taken):
            return
        self._forget(taken)
        _log.warning(
            "group %s/%d: position %d was taken over by another, this process had not been heard "
            "for long",
            *(self._group, taken.keys.partition, taken.position),
        )

    async def give_back_all(self) -> None:
        """Let everything go that is in hand. What the application has counts as a failed try."""
        for taken in self._hands.all:
            given = taken in self._given
            failed = taken.attempt if given else taken.attempt - 1
            delay = self._pause(taken.attempt) if given else 0.0
            step = calls.again(self._group, taken, failed, math.ceil(delay * 1000))
            await self._access.run(call(step))
            self._forget(taken)

    def _pause(self, failed: int) -> float:
        first, longest = self._settings.first_retry_seconds, self._settings.longest_retry_seconds
        return pause_after(failed, first=first, longest=longest)

    async def _again(self, piece: Piece, failed: int, delay: float) -> bool:
        step = calls.again(self._group, piece.taken, failed, math.ceil(max(0.0, delay) * 1000))
        return await self._settle(piece, step)

    async def _park(self, piece: Piece, fault: Fault, attempts: int) -> bool:
        item = parked(piece.event, fault, attempts)
        step = calls.park(self._group, piece.taken, item, encode_parked(item))
        settled = await self._settle(piece, step)
        if settled:
            _log.error(
                "group %s/%d: position %d is parked after %d tries (%s); `eventstore parked show "
                "%s %s` shows more",
                *(self._group, piece.taken.keys.partition, item.position, attempts, fault.error),
                *(self._group, item.ref),
            )
        return settled

    async def _settle(self, piece: Piece, step: Call[str]) -> bool:
        if piece.settled is None:
            self._settling.add(piece.taken)
            try:
                outcome = await send(self._access, step)
            finally:
                self._settling.discard(piece.taken)
            # Gone: by an earlier sending of this call, whose reply was lost, or by whoever had
            # it in the meantime. Either way it is settled.
            piece.settled = outcome != "lost"
            if not piece.settled:
                self.lose(piece.taken)
            self._forget(piece.taken)
        return piece.settled

    def _forget(self, taken: Taken) -> None:
        self._hands.drop(taken)
        self._given.discard(taken)
