"""A store whose journal and index lie in files that a test may damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.consuming import publish
from support.stores import make_settings
from support.trimming import all_groups, put_groups, write_journal

from eventstore.settings_storage import PayloadSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from eventstore.keys import Keys

COUNT = 30
"""How many events a `Site` has."""


class Site:
    """A store of one partition with files of its own: events, journalled, passed by every group."""

    def __init__(self, server: PrivateServer, namespace: str, root: Path) -> None:
        self.root = root
        self.settings = make_settings(server, namespace).model_copy(
            update={"payloads": PayloadSettings(url=str(root))}
        )
        self.store = EventStore(self.settings)
        self.keys: Keys = self.store.parts.log.partitions[0]
        self.refs: list[str] = []

    def fill(self, client: redis.Redis, ends: list[int]) -> None:
        for n in range(COUNT):
            self.refs += publish(self.store, "ab"[n % 2], 1)
        write_journal(self.store, ends)
        put_groups(client, self.store, all_groups(COUNT))

    def folder(self, root: str) -> Path:
        return self.root / root / self.store.open().uuid / "0"

    def segment(self, first: int) -> Path:
        (found,) = self.folder("journal").glob(f"{first:020d}-*")
        return found

    def runs(self) -> list[Path]:
        return sorted(self.folder("index").glob("*.idx"))
