"""`eventstore restore` and `eventstore new`, as an operator types them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.consuming import publish, running, until_caught_up
from support.terminal import Terminal

from consumers.working.groups import known_groups
from eventstore.keys import Keys
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer


@contextmanager
def filled(terminal: Terminal) -> Iterator[EventStore]:
    """Open a terminal's store with events in two partitions, all consumed and journalled."""
    with EventStore(terminal.settings) as store:
        publish(store, "a", 7)
        publish(store, "d", 8)
        with running(terminal.settings, known_groups()):
            for group in known_groups():
                until_caught_up(store, group)
        yield store


def empty(client: redis.Redis, namespace: str) -> None:
    """Take everything of a namespace of two partitions from the server."""
    for partition in (0, 1):
        for key in list(client.scan_iter(match=Keys(namespace, partition).prefix + "*")):
            client.unlink(key)


def test_a_store_comes_back(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    terminal = Terminal(server, namespace, 2)
    with filled(terminal) as store:
        uuid = store.open().uuid
    before = terminal.json("projection", "verify", "index")
    assert "nothing to restore" in terminal.run("restore", code=4).stderr
    empty(redis_client, namespace)
    refused = terminal.run("session", "list", code=6).stderr
    assert "eventstore restore" in refused
    assert "eventstore new" in refused
    found = terminal.json("restore")
    assert found["store"] == uuid
    assert sorted(row["readded"] for row in found["partitions"]) == [7, 8]
    assert [row["missing_payloads"] for row in found["partitions"]] == [0, 0]
    with terminal.working(), EventStore(terminal.settings) as store:
        for group in known_groups():
            until_caught_up(store, group)
    assert terminal.json("projection", "verify", "index") == before
    assert terminal.json("doctor")["ok"]


def test_payloads_that_are_lost_are_a_finding(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    terminal = Terminal(server, namespace, 2)
    with filled(terminal) as store:
        publish(store, "a", 3)
        with running(terminal.settings, {"journal": known_groups()["journal"]}):
            until_caught_up(store, "journal")
    empty(redis_client, namespace)
    result = terminal.run("restore", code=1)
    assert "is open again" in result.stdout
    assert "3 payloads were in the lost server alone" in result.stderr


def test_another_store_begins(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    terminal = Terminal(server, namespace, 2)
    with filled(terminal) as store:
        old = store.open().uuid
    empty(redis_client, namespace)
    begun = terminal.json("new")
    assert begun["created"]
    assert begun["store"] != old
    assert terminal.json("new") == {"store": begun["store"], "created": False}
    assert f"not {old}" in terminal.run("restore", old, code=4).stderr
    assert begun["store"] in terminal.run("new").stdout


def test_which_store_is_meant_has_to_be_clear(server: PrivateServer, namespace: str) -> None:
    terminal = Terminal(server, namespace)
    assert "there is no journal" in terminal.run("restore", code=2).stderr
    found = terminal.json("restore", "f" * 32, code=2)
    assert found["error"]["type"] == "InvalidInput"
