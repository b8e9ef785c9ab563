"""Rebuilds under test: run from a blocking test, cut short at a step, seen by what they make."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest
from support.applying import apply_all
from support.consuming import at
from support.stores import make_settings, open_store
from support.stories import tell

from consumers.rebuild.run import abort_rebuild, rebuild_projection
from eventstore.consuming.access import StoreAccess
from eventstore.flow import Call, as_is
from projections.base import Write
from projections.registry import PROJECTIONS, projection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import redis
    from support.server import PrivateServer

    from consumers.rebuild.run import Rebuilt, Report, Stage, Step
    from eventstore.codec import Recorded
    from eventstore.keys import Keys, ProjectionKeys
    from eventstore.settings import AppSettings
    from eventstore.store import EventStore
    from projections.base import Projection, Read, State


INDEX: Final = projection("index")


class CutShort(Exception):
    """A rebuild that a test ended at a step."""


class Stamped:
    """Writes of every session, on two keys, which generation it is and how many events it saw.

    So a reader of both keys sees a mixture of generations, or a half of one.
    """

    name = "stamped"
    families = frozenset({"index", "headers"})

    def needs(self, events: Sequence[Recorded], keys: ProjectionKeys) -> Sequence[Read]:
        return ()

    def fold(self, events: Sequence[Recorded], state: State, keys: ProjectionKeys) -> list[Write]:
        sessions = {item.event.session_id: None for item in events}
        stamps = [
            Write("HSET", key, ("generation", keys.prefix))
            for session in sessions
            for key in (keys.index(session), keys.headers(session))
        ]
        return [
            *stamps,
            *(
                Write("HINCRBY", key, ("events", 1))
                for item in events
                for key in (keys.index(item.event.session_id), keys.headers(item.event.session_id))
            ),
        ]


def stamps(session_id: str, between: int = 0) -> Callable[[ProjectionKeys], list[Call[Any]]]:
    """Return reads of both keys of the stamped projection, with idle reads between them."""

    def calls(keys: ProjectionKeys) -> list[Call[Any]]:
        first, second = (
            Call("HMGET", (key,), ("generation", "events"), as_is)
            for key in (keys.index(session_id), keys.headers(session_id))
        )
        idle = Call("HGETALL", (keys.timeline("none" * 50),), (), as_is)
        return [first, *[idle] * between, second]

    return calls


def nothing(step: Step) -> None:
    """Take no notice of how far a rebuild is."""


def rebuild(
    settings: AppSettings,
    projection: Projection,
    report: Report = nothing,
    partition: int | None = None,
) -> list[Rebuilt]:
    """Rebuild a projection, as the command does."""

    async def run() -> list[Rebuilt]:
        access = StoreAccess(settings, groups=1)
        try:
            return await rebuild_projection(access, projection, report, partition)
        finally:
            await access.close()

    return anyio.run(run)


def abort(
    settings: AppSettings, projection: Projection, partition: int | None = None
) -> int | None:
    """Give an unfinished rebuild up, as the command does."""

    async def run() -> int | None:
        access = StoreAccess(settings, groups=1)
        try:
            return await abort_rebuild(access, projection, nothing, partition)
        finally:
            await access.close()

    return anyio.run(run)


@dataclass(frozen=True)
class Site:
    """A store whose read models are all there, and what a test sees of its first partition."""

    settings: AppSettings
    store: EventStore
    client: redis.Redis

    @property
    def keys(self) -> Keys:
        return self.store.parts.log.partitions[0]

    @property
    def head(self) -> int:
        """The last position of the first partition."""
        return self.store.head()[0].position

    def rebuild(
        self, projection: Projection = INDEX, report: Report = nothing, partition: int | None = None
    ) -> list[Rebuilt]:
        """Rebuild a projection, the index unless told."""
        return rebuild(self.settings, projection, report, partition)

    def cut_short(self, stage: Stage, partition: int = 0, only: int | None = None) -> None:
        """Begin to rebuild the index, and end that at a stage of a partition."""

        def report(step: Step) -> None:
            if (step.stage, step.partition) == (stage, partition):
                raise CutShort(str(step))

        with pytest.raises(CutShort):
            self.rebuild(INDEX, report, only)

    def generations(self, group: str = "index") -> list[int]:
        """Return the live generation in every partition."""
        return [at(self.store, group, p).generation for p in range(self.settings.store.partitions)]

    def written(
        self, generation: int, projection: Projection = INDEX, partition: int = 0
    ) -> set[str]:
        """Return the keys of a projection in one generation."""
        keys = self.store.parts.log.partitions[partition].projection(generation)
        found = {key.decode() for key in self.client.scan_iter(match=keys.pattern, count=1000)}
        return {key for key in found if keys.family_of(key) in projection.families}

    def checkpoints(self, partition: int = 0) -> dict[str, str]:
        """Return all checkpoints of a partition, those of rebuilds as well."""
        found: dict[Any, Any] = self.client.hgetall(
            self.store.parts.log.partitions[partition].checkpoints
        )
        return {name.decode(): value.decode() for name, value in found.items()}

    def everything(self) -> dict[str, bytes | None]:
        """Return what every key of the first partition holds, as the server would save it."""
        found = self.client.scan_iter(match=self.keys.prefix + "*", count=1000)
        return {key.decode(): self.client.dump(key) for key in found}


@contextmanager
def told(
    server: PrivateServer, namespace: str, partitions: int = 1, sessions: int = 1
) -> Iterator[Site]:
    """Open a store in which sessions were told and every projection has caught up."""
    settings = make_settings(server, namespace, partitions, lease_seconds=0.3)
    with open_store(server, namespace, partitions) as store, server.client() as client:
        for n in range(sessions):
            tell(store, f"s{n}")
        apply_all(store, PROJECTIONS)
        yield Site(settings, store, client)
