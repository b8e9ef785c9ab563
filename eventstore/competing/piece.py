"""A piece of work as this process has it: where it lies, and once loaded, the event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.loading import load_payloads, payload_of

if TYPE_CHECKING:
    from eventstore.codec import Recorded
    from eventstore.competing.calls import Taken
    from eventstore.consuming.access import StoreAccess
    from eventstore.flow import Flow


class Piece:
    """One piece of work in hand.

    `settled` is what became of it: None for nothing yet, True for what was said of it, False if
    it was another's by then.
    """

    __slots__ = ("payload", "recorded", "settled", "taken")

    def __init__(self, taken: Taken) -> None:
        self.taken = taken
        self.recorded: Recorded | None = None
        self.payload: Any = None
        self.settled: bool | None = None

    @property
    def event(self) -> Recorded:
        """The event; only once it is loaded."""
        assert self.recorded is not None
        return self.recorded


def load_piece(access: StoreAccess, piece: Piece, *, payload: bool) -> Flow[None]:
    """Read the event of a piece from the log, and its payload if that is wanted.

    Raises what reads of the log raise, `PayloadMissing`, `PayloadDamaged` or `PayloadStoreError`.
    """
    taken = piece.taken
    [piece.recorded] = yield from access.log.at_positions(taken.keys, [taken.position])
    if payload:
        wanted = [payload_of(piece.recorded.event)]
        [piece.payload] = yield from load_payloads(access.payloads, taken.keys, wanted)
