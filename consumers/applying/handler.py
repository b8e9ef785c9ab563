"""What an ordered group does with its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.keys import Keys
    from projections.base import Write


class Handler(Protocol):
    """The work of one group: effects outside the server first, then the writes to make.

    `name` is the group's name and its checkpoint. `parks` says whether the group may go on
    without an event whose handling keeps failing; if not, it waits until that is mended.
    """

    name: str
    parks: bool

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        """Return the writes that take the group past some events, in order.

        They and the checkpoint's move are made together, exactly once. The same events, or a
        part of them, may be given again: effects outside the server are idempotent by name. What
        it raises is retried; an event that cannot be handled is parked in the end.
        """
        ...
