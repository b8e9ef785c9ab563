"""What a process has in its hands of a group's work, and how much more it may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from eventstore.competing.calls import Taken
    from eventstore.keys import Keys


class Hands:
    """Holds at most so many pieces of work; for one event loop.

    Room is reserved before work is asked for, so that no more comes than was asked for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[tuple[Keys, str], Taken] = {}
        self._reserved = 0
        self._changed = anyio.Event()

    @property
    def room(self) -> int:
        """How many pieces more may be taken."""
        return self._most - len(self._held) - self._reserved

    def reserve(self) -> int:
        """Reserve all room there is; return for how many pieces."""
        count = max(0, self.room)
        self._reserved += count
        return count

    def put(self, reserved: int, taken: list[Taken]) -> None:
        """Hold what came in the place of a reservation."""
        self._reserved -= reserved
        self._held.update(((each.keys, each.entry), each) for each in taken)
        self._change()

    def drop(self, taken: Taken) -> None:
        """Hold a piece no longer."""
        if self._held.get((taken.keys, taken.entry)) == taken:
            del self._held[taken.keys, taken.entry]
            self._change()

    def holds(self, taken: Taken) -> bool:
        """Return whether a piece is still held, as far as this process knows."""
        return self._held.get((taken.keys, taken.entry)) == taken

    def of(self, keys: Keys) -> list[Taken]:
        """Return what is held of a partition."""
        return [each for each in self._held.values() if each.keys == keys]

    @property
    def all(self) -> list[Taken]:
        """Everything that is held."""
        return list(self._held.values())

    async def until_room(self) -> None:
        """Wait until more may be taken."""
        while self.room <= 0:
            await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
