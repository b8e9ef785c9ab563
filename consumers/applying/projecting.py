"""A projection as the work of an ordered group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.applying.restarting import Restart
from consumers.rebuild.dropping import drop_generation
from consumers.rebuild.state import drop_name, forget, shadow_name, standing
from eventstore.chain import GENESIS
from eventstore.flow import Call, as_is, batch, call
from eventstore.views import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from projections.base import Projection, Write


class Projecting:
    """Reads what a projection needs, in one pipeline, and folds."""

    parks = True

    def __init__(self, access: StoreAccess, projection: Projection) -> None:
        self.name = projection.name
        self._access = access
        self._projection = projection

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        """Return the writes of the projection's fold over the events."""
        own = keys.projection(generation)
        reads = self._projection.needs(events, own)
        calls: list[Call[object]] = [
            Call(read.command, (read.key,), read.args, as_is) for read in reads
        ]
        replies = await self._access.run(batch(calls))
        return self._projection.fold(events, dict(zip(reads, replies, strict=True)), own)

    async def restart(self, seen: Checkpoint, keys: Keys) -> Restart:
        """Begin in a generation of its own: readers see none of what stood for lost events."""
        newest = (await self._access.run(call(standing(keys, self.name)))).newest
        return Restart(
            Checkpoint(newest + 1, 0, GENESIS),
            shadow=shadow_name(self.name, newest + 1),
            drop=drop_name(self.name, seen.generation),
        )

    async def restarted(self, seen: Checkpoint, keys: Keys) -> None:
        """Drop the generation that was given up; a rebuild drops what is left of it otherwise."""
        generation = seen.generation
        await drop_generation(self._access, keys, self._projection, generation, lambda _: None)
        await self._access.run(forget(keys, self.name, [generation]))
