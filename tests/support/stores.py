"""Stores of a test on a real server: settings and an opened store, in a namespace of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from support.server import PrivateServer


def make_settings(
    server: PrivateServer, namespace: str, partitions: int = 1, **store: Any
) -> AppSettings:
    """Return settings of a store on `server`; `store` are further fields of the store section.

    Payloads lie in memory, in a tree of the namespace's own. Reads wait as long as a test does.
    """
    return AppSettings(
        mode="test",
        redis={"url": server.url},
        store={"namespace": namespace, "partitions": partitions, "read_timeout": 60.0, **store},
        payloads={"url": f"memory://{quote(namespace, safe='')}"},
    )


def open_store(
    server: PrivateServer, namespace: str, partitions: int = 1, **store: Any
) -> EventStore:
    """Return an opened store; `with open_store(…) as store:` closes it."""
    opened = EventStore(make_settings(server, namespace, partitions, **store))
    try:
        opened.open()
    except BaseException:
        opened.close()
        raise
    return opened
