"""`eventstore repair`: a look at log and journal, and the choice between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    import redis
    from support.server import PrivateServer

GROUP = {"journal": JournalHandler}


def stream(store: EventStore) -> list[Any]:
    [keys] = store.parts.log.partitions
    return store.reading(lambda: call(commands.entries(keys, 1, None, 1000)))


def test_nothing_to_choose(server: PrivateServer, namespace: str) -> None:
    terminal = Terminal(server, namespace)
    with EventStore(terminal.settings) as store, running(terminal.settings, GROUP):
        publish(store, "s", 5)
        until_caught_up(store, "journal")
    [row] = terminal.json("repair")
    assert (row["verdict"], row["common"], row["problem"]) == ("well", 5, "")
    assert row["log"] == row["journal"]
    assert "well" in terminal.run("repair").stdout
    assert "nothing to choose" in terminal.run("repair", "--keep", "stream", code=4).stderr
    assert terminal.run("repair", "--keep", "neither", code=2).stdout == ""


def test_of_two_histories_one_is_kept(server: PrivateServer, namespace: str) -> None:
    terminal = Terminal(server, namespace)
    with (
        EventStore(terminal.settings) as store,
        EventStore(Terminal(server, f"{namespace}o").settings) as other,
    ):
        publish(store, "s", 5)
        publish(other, "s", 3)
        journal_of(store).extend(0, START, stream(other))
    [row] = terminal.json("repair", code=1)
    assert (row["verdict"], row["common"]) == ("differs", 0)
    assert (row["log"]["position"], row["journal"]["position"]) == (5, 3)
    assert "--keep stream" in terminal.run("repair", code=1).stderr
    found = terminal.json("repair", "--keep", "stream")
    assert found["problem"] is None
    [partition] = found["partitions"]
    assert (partition["kept"], partition["lost_events"], partition["position"]) == ("stream", 3, 5)
    [name] = partition["lost_files"]
    assert name.startswith(f"lost/{found['store']}/0/")
    with EventStore(terminal.settings) as store:
        assert store.parts.payloads.files.exists(name)
    assert all(row["ok"] for row in terminal.json("journal", "verify"))
    terminal.run("repair")


def test_a_tail_that_was_deleted_by_hand_is_put_back(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    terminal = Terminal(server, namespace)
    keys = Keys(namespace, 0)
    with EventStore(terminal.settings) as store, running(terminal.settings, GROUP):
        publish(store, "s", 5)
        until_caught_up(store, "journal")
        before = stream(store)
    # The stream would not take these positions again.
    redis_client.xdel(keys.stream, entry_id(4), entry_id(5))
    redis_client.hset(keys.meta, mapping={"head": 3, "chain": before[2][1][-1]})
    [row] = terminal.json("repair")
    assert (row["verdict"], row["state"]) == ("lost", "open")
    assert "--keep journal" in row["remedy"]
    assert "puts back" in terminal.run("repair", "--keep", "stream", code=4).stderr
    [found] = terminal.json("repair", "--keep", "journal")["partitions"]
    assert (found["position"], found["lost_events"]) == (5, 0)
    with EventStore(terminal.settings) as store:
        assert stream(store) == before
    assert all(row["ok"] for row in terminal.json("log", "verify"))
    assert all(row["ok"] for row in terminal.json("journal", "verify"))
