"""`journal status` and `journal verify` say how far the journal is, and what is wrong with it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.consuming import publish, running, until_caught_up
from support.terminal import Terminal

from consumers.applying.journal_group import JournalHandler
from consumers.checking.journal_verify import journal_of
from eventstore import commands
from eventstore.flow import call
from eventstore.journal import START
from eventstore.keys import Keys, entry_id
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer


@contextmanager
def filled(terminal: Terminal, sessions: dict[str, int]) -> Iterator[EventStore]:
    """Open a terminal's store with so many events, all of them in the journal."""
    with EventStore(terminal.settings) as store:
        for session, count in sessions.items():
            publish(store, session, count)
        with running(terminal.settings, {"journal": JournalHandler}):
            until_caught_up(store, "journal")
        yield store


def stream(store: EventStore) -> list[Any]:
    [keys] = store.parts.log.partitions
    return store.reading(lambda: call(commands.entries(keys, 1, None, 1000)))


def test_a_journal_that_is_the_log(server: PrivateServer, namespace: str) -> None:
    terminal = Terminal(server, namespace, 2)
    with filled(terminal, {"a": 7, "b": 8, "d": 9}) as store:
        heads = {head.partition: (head.position, head.chain) for head in store.head()}
        status = terminal.json("journal", "status")
        assert {row["partition"]: (row["position"], row["chain"]) for row in status} == heads
        assert [(row["head"], row["behind"]) for row in status] == [
            (heads[partition][0], 0) for partition in (0, 1)
        ]
        assert all(row["segments"] >= 1 and row["bytes"] > 100 for row in status)
        assert all(row["ok"] for row in terminal.json("journal", "verify"))
        publish(store, "a", 4)
        assert sum(row["behind"] for row in terminal.json("journal", "status")) == 4
        found = terminal.json("journal", "verify")
        assert [row["ok"] for row in found] == [True, True]
        assert sum(row["behind"] for row in found) == 4
        assert "whole" in terminal.run("journal", "verify").stdout
        assert "behind" in terminal.run("journal", "status").stdout


def test_no_journal_yet_is_behind_and_whole(server: PrivateServer, namespace: str) -> None:
    terminal = Terminal(server, namespace)
    with EventStore(terminal.settings) as store:
        publish(store, "s", 3)
    (status,) = terminal.json("journal", "status")
    assert (status["segments"], status["position"], status["behind"]) == (0, 0, 3)
    (found,) = terminal.json("journal", "verify")
    assert (found["ok"], found["behind"]) == (True, 3)


@pytest.mark.parametrize("cut", [1, 20])
def test_a_segment_that_is_cut_is_named(server: PrivateServer, namespace: str, cut: int) -> None:
    terminal = Terminal(server, namespace)
    with filled(terminal, {"s": 5}) as store:
        files = store.parts.payloads.files
        found_files = files.files(f"journal/{store.open().uuid}")
        [file] = [each for each in found_files if each.path.endswith(".ndjson.gz")]
        files.put(file.path, files.get(file.path)[:-cut])
        (found,) = terminal.json("journal", "verify", code=5)
        assert (found["ok"], found["position"]) == (False, None)
        assert file.path in found["problem"]
        assert file.path in terminal.run("journal", "verify", code=5).stderr


def test_events_that_the_server_lost_are_said(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    terminal = Terminal(server, namespace)
    keys = Keys(namespace, 0)
    with filled(terminal, {"s": 5}) as store:
        third = stream(store)[2][1][-1]
        # As a server is that comes back without its last two appends.
        redis_client.xdel(keys.stream, entry_id(4), entry_id(5))
        redis_client.hset(keys.meta, mapping={"head": 3, "chain": third})
        (found,) = terminal.json("journal", "verify", code=5)
        assert "the log ends at 3, the journal holds the events up to 5" in found["problem"]
        (status,) = terminal.json("journal", "status")
        assert status["behind"] == -2


@pytest.mark.parametrize("length", [2, 5, 9])
def test_another_history_is_found(server: PrivateServer, namespace: str, length: int) -> None:
    terminal = Terminal(server, namespace)
    with (
        EventStore(terminal.settings) as store,
        EventStore(Terminal(server, f"{namespace}o").settings) as other,
    ):
        publish(store, "s", 5)
        publish(other, "s", length)
        journal_of(store).extend(0, START, stream(other))
        (found,) = terminal.json("journal", "verify", code=5)
        assert f"at position {min(length, 5)} the journal has the chain" in found["problem"]
