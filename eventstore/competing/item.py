"""A piece of work as an application has it: the event, and what may be said of the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.consuming.given import GivenEvent
from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from eventstore.competing.piece import Piece
    from eventstore.competing.settling import Settler


class _Item(GivenEvent):
    """What both forms of a piece of work have."""

    def __init__(self, piece: Piece, settler: Settler) -> None:
        super().__init__(piece.event, piece.payload)
        self._piece = piece
        self._settler = settler

    @property
    def attempt(self) -> int:
        """The number of this try, from 1; tries that a process died in count too."""
        return self._piece.taken.attempt

    @property
    def is_settled(self) -> bool:
        """Whether this process has said what became of it, or lost it."""
        return self._piece.settled is not None


class WorkItem(_Item):
    """A piece of work: an event with its payload, to be settled once, by `ack` or `nack`.

    The first word counts; any further one changes nothing and has the same answer. Each answers
    False if the piece was taken over meanwhile: this process had not been heard for long, and
    another is at it. Raises an `Unavailable` if the store does not answer for
    `store.publish_timeout` seconds; the same may be said again then.
    """

    def __init__(self, piece: Piece, settler: Settler, portal: BlockingPortal) -> None:
        super().__init__(piece, settler)
        self._portal = portal

    def ack(self) -> bool:
        """Say that it is done."""
        return self._portal.call(self._settler.done, self._piece)

    def nack(self, delay: float | None = None, *, error: BaseException | None = None) -> bool:
        """Say that this try failed: it is tried again after `delay` seconds, or parked.

        Without a delay the pause doubles with each try, jittered. After `consuming.attempts` tries
        it is parked, with the `error`. Raises `InvalidInput` for a delay that is none.
        """
        return self._portal.call(self._settler.fail, self._piece, error, check_delay(delay))

    def defer(self, delay: float) -> bool:
        """Give it back for `delay` seconds without counting the try: what it needs is away."""
        return self._portal.call(self._settler.defer, self._piece, check_delay(delay) or 0.0)


class AsyncWorkItem(_Item):
    """A piece of work of an asyncio program; the methods are those of `WorkItem`, awaited."""

    async def ack(self) -> bool:
        """Say that it is done."""
        return await self._settler.done(self._piece)

    async def nack(self, delay: float | None = None, *, error: BaseException | None = None) -> bool:
        """Say that this try failed: it is tried again after `delay` seconds, or parked."""
        return await self._settler.fail(self._piece, error, check_delay(delay))

    async def defer(self, delay: float) -> bool:
        """Give it back for `delay` seconds without counting the try: what it needs is away."""
        return await self._settler.defer(self._piece, check_delay(delay) or 0.0)


def check_delay(delay: float | None) -> float | None:
    """Return a delay that may be waited for. Raises `InvalidInput`."""
    if delay is not None and not 0 <= delay <= MOST_SECONDS:
        raise InvalidInput(f"delay: seconds from 0 to {MOST_SECONDS:,}, not {delay!r}")
    return delay


MOST_SECONDS = 365 * 24 * 3600
