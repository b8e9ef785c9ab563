"""A level of durability is granted only on a server that gives it, at every open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import publish
from support.server import PrivateServer
from support.stores import make_settings, open_store
from support.wait import until

from eventstore.errors import Unavailable, WrongStore
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable

ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")
EVERYSEC = ("--appendonly", "yes", "--appendfsync", "everysec")
LONG_MICROSECONDS = 60_000_000


def test_a_server_that_comes_back_with_less_is_refused(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server(*ALWAYS)
    with open_store(server, namespace, durability="fsync", publish_timeout=1.0) as store:
        publish(store, "s", 1)
        server.stop()
        lesser = PrivateServer(server.directory, *EVERYSEC).start()
        try:
            with pytest.raises(WrongStore, match="needs appendfsync always, the server has every"):
                publish(store, "s", 1)
        finally:
            lesser.stop()
        server.start()
        publish(store, "s", 1)
        assert [head.position for head in store.head()] == [2]


def test_fsync_is_granted_once_a_new_append_only_file_is_whole(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server("--appendfsync", "always")
    settings = make_settings(server, namespace, durability="fsync")
    with server.client() as client, EventStore(settings) as store:
        client.set("a key", "that takes long to write")
        client.config_set("rdb-key-save-delay", LONG_MICROSECONDS)
        client.config_set("appendonly", "yes")
        with pytest.raises(Unavailable, match="has just begun its append-only file"):
            store.open()
        # Switched off, the server ends the process that writes so slowly.
        client.config_set("appendonly", "no")
        client.config_set("rdb-key-save-delay", 0)
        client.config_set("appendonly", "yes")
        until(lambda: opens(store), what="a whole append-only file")


def opens(store: EventStore) -> bool:
    try:
        store.open()
    except Unavailable:
        return False
    return True
