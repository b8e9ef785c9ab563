"""Servers that lose the end of what they acknowledged, and what a test sees of the store then.

The server syncs every write, so the length of its append-only file after an acknowledgement is
how far a disk would be that got no further. Cut back to there, it has lost a tail as a server
under everysec has that was killed.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from support.checker import Store, check_store
from support.consuming import running, until_caught_up
from support.payloads import with_payloads
from support.stores import make_settings
from support.stories import tell

from consumers.checking.verifying import verify_projection
from consumers.working.groups import select_groups
from eventstore.journal import Journal
from eventstore.store import EventStore
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.codec import Recorded
    from eventstore.settings import AppSettings

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
# Each in a partition of its own, of two.
SESSIONS = ("a", "d")


class Site:
    """A store on a server of a test's own, with its journal and payloads in files."""

    def __init__(
        self,
        start: Callable[..., PrivateServer],
        namespace: str,
        root: Path,
        partitions: int = 2,
        **store: Any,
    ) -> None:
        self.server = start(*DURABLE)
        self.root = root / "p"
        section = {"lease_seconds": 0.2, "publish_timeout": 5, **store}
        settings = make_settings(self.server, namespace, partitions, **section)
        self.settings: AppSettings = with_payloads(settings, self.root)
        self._mark = 0

    def open(self) -> EventStore:
        """Return a store of a process of its own, opened."""
        store = EventStore(self.settings)
        try:
            store.open()
        except BaseException:
            store.close()
            raise
        return store

    def tell(self, *stories: str) -> None:
        """Append what a read model may tell of, to sessions of these names."""
        with self.open() as store:
            for session in stories:
                tell(store, session)

    def consume(self, *groups: str) -> None:
        """Have groups, all by default, consume what there is."""
        chosen = select_groups(groups or None)
        with self.open() as store, running(self.settings, chosen):
            for group in chosen:
                until_caught_up(store, group)

    def log(self) -> list[Recorded]:
        """Return every event, partition by partition."""
        with self.open() as store:
            return [
                event
                for keys in store.parts.log.partitions
                for event in store.read_all(keys.partition)
            ]

    @property
    def journal(self) -> Journal:
        """The journal of the store."""
        with self.open() as store:
            return Journal(store.parts.payloads, store.open().uuid)

    def mark(self) -> None:
        """Note how far the disk is."""
        self._mark = self._file().stat().st_size

    def lose(self) -> None:
        """Kill the server and start it with what the disk had at the mark."""
        self.server.kill()
        with self._file().open("r+b") as file:
            assert file.seek(0, 2) > self._mark
            file.truncate(self._mark)
        self.server.start()

    def lose_all(self) -> None:
        """Kill the server and start it with nothing."""
        self.server.kill()
        shutil.rmtree(self.server.directory / "appendonlydir")
        self.server.start()

    def digests(self) -> dict[tuple[str, int], str]:
        """Return a digest of each read model, by projection and partition; all must be right."""
        with self.open() as store:
            found = {
                (each.name, keys.partition): store.reading(
                    partial(verify_projection, store.parts.log, keys.partition, each)
                )
                for each in PROJECTIONS
                for keys in store.parts.log.partitions
            }
        assert all(verified.is_equal for verified in found.values())
        return {place: verified.digest for place, verified in found.items()}

    def problems(self, *, caught_up: bool = True) -> list[str]:
        """Return what the independent check of the whole store says."""
        section = self.settings.store
        with self.server.client() as client:
            return check_store(
                Store(client, section.namespace, section.partitions, self.root),
                caught_up=caught_up,
            )

    def _file(self) -> Path:
        (file,) = (self.server.directory / "appendonlydir").glob("*.incr.aof")
        return file


@contextmanager
def hidden(root: Path) -> Iterator[None]:
    """Have no journal meanwhile, as in a process whose payloads.url leads elsewhere."""
    aside = root.with_name(root.name + ".aside")
    (root / "journal").rename(aside)
    try:
        yield
    finally:
        aside.rename(root / "journal")


def places(events: Sequence[Recorded]) -> dict[str, tuple[int, int, int, int]]:
    """Return where each event lies, by ref."""
    return {
        each.event.ref: (each.partition, each.position, each.seq, each.index) for each in events
    }
