"""What brings a store back: the part of `eventstore.store` that an operator needs once in years.

`EventStore` has the blocking form, `AsyncEventStore` the asyncio one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.opening import silent
from eventstore.opening.repairing import examine_all, repair
from eventstore.opening.restoring import begin_anew, restore

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstore.opening import Opened
    from eventstore.opening.examining import Examined
    from eventstore.opening.repairing import Keep, Repaired
    from eventstore.opening.restoring import Restored
    from eventstore.parts import Parts
    from eventstore.runner import AsyncRunner, Runner


class StoreRecovery:
    """Bringing a store back, for blocking callers."""

    parts: Parts
    runner: Runner

    def restore(
        self, store: str | None = None, report: Callable[[int, int, int], object] = silent
    ) -> Restored:
        """Bring a store back from its journal; the server must hold none of its namespace.

        `store` is its uuid; None is the one whose journal lies beside the payloads. `report` is
        told a partition, how far its log is and where that will end. A restore that was cut
        short is completed by the next. Raises `RepairRefused` if the server holds a store,
        `InvalidInput` if it is not clear which journal is meant, and what an open raises.
        """
        return self.runner.run(restore(self.parts.log, store, report))

    def begin_anew(self) -> Opened:
        """Open the store, or make one, although journals of other stores lie there.

        The store has a journal of its own from here on; those of others are left alone.
        """
        return self.runner.run(begin_anew(self.parts.log))

    def examine(self) -> list[Examined]:
        """Return what there is of each partition and its journal, without changing anything."""
        return self.runner.run(examine_all(self.parts.log))

    def repair(self, keep: Keep, partition: int | None = None) -> Repaired:
        """Keep one of two histories, or what is whole of a log; the rest is kept in `lost/`.

        `stream` lets the journal be what the log is, `journal` the log what the journal is; of
        one partition or of all that need it. Raises `RepairRefused`, and changes nothing, if
        none does or what is to be kept is not whole.
        """
        return self.runner.run(repair(self.parts.log, keep, partition))


class AsyncStoreRecovery:
    """Bringing a store back, for asyncio callers; the same methods, awaited."""

    parts: Parts
    runner: AsyncRunner

    async def restore(
        self, store: str | None = None, report: Callable[[int, int, int], object] = silent
    ) -> Restored:
        """Bring a store back from its journal; see `StoreRecovery.restore`."""
        return await self.runner.run(restore(self.parts.log, store, report))

    async def begin_anew(self) -> Opened:
        """Open the store, or make one, although journals of other stores lie there."""
        return await self.runner.run(begin_anew(self.parts.log))

    async def examine(self) -> list[Examined]:
        """Return what there is of each partition and its journal, without changing anything."""
        return await self.runner.run(examine_all(self.parts.log))

    async def repair(self, keep: Keep, partition: int | None = None) -> Repaired:
        """Keep one of two histories, or what is whole of a log; see `StoreRecovery.repair`."""
        return await self.runner.run(repair(self.parts.log, keep, partition))
