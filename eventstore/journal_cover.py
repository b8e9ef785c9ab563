"""Which of many files that each cover a range of positions to read: pure, by their names alone.

Segments of the journal and runs of its index overlap where two writers met. A cover leaves out
the files that say nothing which the others do not, so a position is found by bisection.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Piece(Protocol):
    """A file that covers the positions from `first` to `last`, and the chain at the last."""

    @property
    def first(self) -> int: ...

    @property
    def last(self) -> int: ...

    @property
    def chain(self) -> str: ...


P = TypeVar("P", bound=Piece)


class Gap(NamedTuple):
    """Positions that no file covers, both included."""

    first: int
    last: int


class Cover(Generic[P]):
    """The files to read, by position. `pieces` rise in their first and last positions."""

    def __init__(self, found: Iterable[P]) -> None:
        pieces: list[P] = []
        # The longest first: it makes the others that begin with it superfluous.
        for piece in sorted(found, key=lambda each: (each.first, -each.last, each.chain)):
            if not pieces or piece.last > pieces[-1].last:
                pieces.append(piece)
        self.pieces = tuple(pieces)
        self._lasts = [piece.last for piece in pieces]

    @property
    def end(self) -> int:
        """The last position that a piece covers, 0 for none."""
        return self._lasts[-1] if self._lasts else 0

    def number(self, position: int) -> int | None:
        """Return which piece holds a position, None if none does."""
        number = bisect_left(self._lasts, position)
        found = number < len(self.pieces) and self.pieces[number].first <= position
        return number if found else None

    def gap(self, upto: int) -> Gap | None:
        """Return the first positions from 1 to `upto` that no piece covers, None if all are."""
        reach = 0
        for piece in self.pieces:
            if reach >= upto:
                return None
            if piece.first > reach + 1:
                return Gap(reach + 1, min(upto, piece.first - 1))
            reach = piece.last
        return None if reach >= upto else Gap(reach + 1, upto)
