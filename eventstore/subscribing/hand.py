"""What a subscriber has in hand: the event it works on, and those that are due after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventstore.subscribing.chunk import Chunk
    from eventstore.subscribing.delivered import Delivered
    from eventstore.subscribing.feed import Feed


class Hand:
    """Hands out one event after the other, for as long as their partition is this member's."""

    def __init__(self) -> None:
        self._due: tuple[Feed, Chunk] | None = None

    @property
    def feed(self) -> Feed:
        """The feed of the event handed out last."""
        assert self._due is not None
        return self._due[0]

    def fill(self, due: tuple[Feed, Chunk]) -> None:
        """Take what is due next."""
        self._due = due

    def take(self) -> Delivered | None:
        """Return the next event; None if more has to be fetched."""
        if self._due is None:
            return None
        feed, chunk = self._due
        return feed.take(chunk)

    def put_down(self) -> None:
        """Say that the event handed out last is done with."""
        if self._due is not None:
            self._due[0].put_down()
