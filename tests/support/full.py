"""A small private server to be filled, producers that fill it, and a check of what is left."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from support.checker import Acknowledged, Store, check_store
from support.consuming import drafts, until_caught_up
from support.stores import make_settings
from support.wait import until

from consumers.working.groups import known_groups
from eventstore.errors import StoreFull
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from eventstore.commands import Appended
    from eventstore.drafts import Draft
    from eventstore.settings import AppSettings

PRODUCERS = 4
PAYLOAD = 20_000
ENOUGH = 5_000


class Refusal(NamedTuple):
    """An append that a full server refused: its session and events."""

    session_id: str
    items: list[Draft]


class SmallStore:
    """A store on a server of its own, whose memory a test limits; payloads lie in `directory`."""

    def __init__(
        self,
        server: PrivateServer,
        namespace: str,
        directory: Path,
        *,
        is_new: bool = True,
        **store: Any,
    ) -> None:
        made = make_settings(server, namespace, lease_seconds=0.5, **store)
        payloads = made.payloads.model_copy(update={"url": f"file://{directory}"})
        self.settings: AppSettings = made.model_copy(update={"payloads": payloads})
        self.acknowledged: list[Acknowledged] = []
        self.refused: list[StoreFull] = []
        self._server = server
        self._place = (namespace, made.store.partitions, directory)
        if is_new:
            with EventStore(self.settings) as opened:
                opened.open()

    def client(self) -> redis.Redis:
        """Return a client of the server."""
        return self._server.client()

    def leave_room(self, size: int) -> None:
        """Let the server take so many more bytes than it holds now; 0 for any number."""
        with self.client() as client:
            used = int(client.info("memory")["used_memory"])
            client.config_set("maxmemory", used + size if size else 0)

    def fill(self, *, with_payloads: bool) -> list[Refusal]:
        """Append from several producers until each is refused; return what was refused."""
        made = _waiting if with_payloads else _bare
        with ThreadPoolExecutor(PRODUCERS) as pool:
            return list(pool.map(lambda n: self._until_refused(f"s{n}", made), range(PRODUCERS)))

    def _until_refused(self, session_id: str, made: Callable[[str, int], list[Draft]]) -> Refusal:
        with EventStore(self.settings) as store:
            for number in range(ENOUGH):
                items = made(session_id, number)
                try:
                    self.append(store, session_id, items)
                except StoreFull:
                    return Refusal(session_id, items)
        raise AssertionError(f"{session_id}: {ENOUGH} appends and no end of memory")

    def append(self, store: EventStore, session_id: str, items: list[Draft]) -> None:
        """Append and note what was acknowledged."""
        rows = store.append(session_id, items)
        self.acknowledged += [
            _acknowledged(session_id, item, row) for item, row in zip(items, rows, strict=True)
        ]

    def produce(self, session_id: str, count: int, size: int = PAYLOAD) -> None:
        """Append so many payloads of a size, each again while it is full, as `refused` notes."""

        def is_taken() -> bool:
            try:
                self.append(store, session_id, items)
            except StoreFull as error:
                self.refused.append(error)
                return False
            return True

        with EventStore(self.settings) as store:
            for _ in range(count):
                items = drafts(session_id, 1, os.urandom(size))
                until(is_taken, what="room for an append")

    def problems(self, *, caught_up: bool) -> list[str]:
        """Return everything that is wrong with the store, held against what was acknowledged."""
        with self.client() as client:
            store = Store(client, *self._place)
            return check_store(store, self.acknowledged, caught_up=caught_up)

    def until_drained(self, groups: Sequence[str] = ()) -> None:
        """Wait until every group, or these, has consumed the whole log."""
        with EventStore(self.settings) as store:
            for group in groups or known_groups():
                until_caught_up(store, group)

    def meta(self, field: str) -> int:
        """Return a number that the partition keeps of itself."""
        with EventStore(self.settings) as store, self.client() as client:
            [keys] = store.parts.log.partitions
            found: Any = client.hget(keys.meta, field)
        return int(found or 0)


def _waiting(session_id: str, number: int) -> list[Draft]:
    """Batches of every shape, most of whose bytes wait to be moved to files."""
    return drafts(session_id, number % 5 + 1, os.urandom(PAYLOAD))


def _bare(session_id: str, number: int) -> list[Draft]:
    return drafts(session_id, 20, {"n": number})


def _acknowledged(session_id: str, item: Draft, row: Appended) -> Acknowledged:
    payload = item.event.payload
    assert payload is not None
    return Acknowledged(row.ref, session_id, row.position, row.seq, row.step_idx, payload.sha256)
