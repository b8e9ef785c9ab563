"""`eventstore group`: every group listed, subscribers moved and taken away, all else refused."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.competing import Running
from support.consuming import publish
from support.stores import open_store
from support.subscribing import Listener, positions, take
from support.terminal import Terminal
from support.wait import until

from eventstore.errors import GroupNotFound, GroupRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.competing.item import WorkItem
    from eventstore.store import EventStore

OWN = {"index", "timeline", "branch", "evaluation", "payloads", "journal"}


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Terminal:
    return Terminal(server, namespace, 2, lease_seconds=0.3)


@pytest.fixture
def store(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    with open_store(server, namespace, 2, lease_seconds=0.3) as store:
        yield store


def commit(store: EventStore, group: str, count: int, **named: Any) -> None:
    """Let a group commit so many events."""
    with store.subscribe(group=group, **named) as events:
        take(events, count)
        assert events.commit()


def rows(terminal: Terminal, group: str) -> list[dict[str, Any]]:
    """Return what the list says of a group, by partition."""
    return [row for row in terminal.json("group", "list") if row["group"] == group]


class TestList:
    def test_every_group_is_there_with_its_kind(
        self, store: EventStore, terminal: Terminal, redis_client: redis.Redis
    ) -> None:
        publish(store, "s", 8)
        place = store.parts.log.keys_of("s")
        commit(store, "mailer", 5)
        redis_client.hset(place.checkpoints, "left", f"1:3:{'0' * 16}")
        redis_client.hset(place.checkpoints, "index@g2", f"2:0:{'0' * 16}")
        redis_client.hset(place.competing, "judges", "{}")
        listed = terminal.json("group", "list")
        kinds = {row["group"]: row["kind"] for row in listed}
        assert {name for name, kind in kinds.items() if kind in ("projection", "own")} >= OWN
        assert kinds["index"] == "projection"
        assert (kinds["mailer"], kinds["left"], kinds["judges"]) == (
            "subscriber",
            "unknown",
            "work",
        )
        assert "index@g2" not in kinds
        (mine,) = (row for row in rows(terminal, "mailer") if row["partition"] == place.partition)
        assert mine.pop("lag_seconds") >= 0
        assert mine == {
            "group": "mailer",
            "kind": "subscriber",
            "partition": place.partition,
            "position": 5,
            "head": 8,
            "lag_events": 3,
            "owner": None,
            "pending": None,
        }
        (work,) = (row for row in rows(terminal, "judges") if row["partition"] == place.partition)
        assert (work["position"], work["lag_events"], work["pending"]) == (None, None, 0)
        shown = terminal.run("group", "list").stdout
        assert "mailer" in shown
        assert "subscriber" in shown

    def test_the_owner_is_named(self, store: EventStore, terminal: Terminal) -> None:
        publish(store, "s", 1)
        with Listener(store.subscribe(group="mailer")) as listener:
            listener.until_seen(1)
            until(lambda: all(row["owner"] for row in rows(terminal, "mailer")), what="owners")
            (owner,) = {row["owner"] for row in rows(terminal, "mailer")}
            host, _, pid = owner.rpartition("/")
            assert host
            assert int(pid) > 0


class TestReset:
    def test_it_says_first_what_it_would_do(self, store: EventStore, terminal: Terminal) -> None:
        publish(store, "s", 8)
        commit(store, "mailer", 5)
        before = positions(store, "mailer")
        said = terminal.json("group", "reset", "mailer", "--to", "begin")
        assert said["done"] is False
        moves = [(each["before"], each["after"]) for each in said["partitions"]]
        assert moves == [(at, 0) for at in before]
        assert positions(store, "mailer") == before
        shown = terminal.run("group", "reset", "mailer", "--to", "begin")
        assert "nothing was changed; --yes does it" in shown.stderr

    def test_the_next_event_is_the_one_behind_the_place(
        self, store: EventStore, terminal: Terminal
    ) -> None:
        refs = publish(store, "s", 8)
        commit(store, "mailer", 5)
        partition = str(store.parts.log.keys_of("s").partition)
        for place, left in (("begin", refs), ("end", []), ("3", refs[3:]), ("0", refs)):
            chosen = ("--partition", partition) if place.isdigit() else ()
            done = terminal.json("group", "reset", "mailer", "--to", place, *chosen, "--yes")
            assert done["done"] is True
            assert max(positions(store, "mailer")) == 8 - len(left)
            if left:
                given = take(store.subscribe(group="mailer"), len(left))
                assert [event.ref for event in given] == left

    def test_a_live_owner_is_not_disturbed(self, store: EventStore, terminal: Terminal) -> None:
        publish(store, "s", 8)
        with Listener(store.subscribe(group="mailer")) as listener:
            listener.until_seen(8)
            said = terminal.run("group", "reset", "mailer", "--to", "begin", "--yes", code=4)
            assert "end that first, or take it over: --take-over" in said.stderr
            publish(store, "s", 1)
            listener.until_seen(9)
            assert all(listener.committed)

    def test_taken_over_the_owner_goes_on_from_the_new_place(
        self, store: EventStore, terminal: Terminal
    ) -> None:
        refs = publish(store, "s", 8)
        with Listener(store.subscribe(group="mailer")) as listener:
            listener.until_seen(8)
            take_over = ("--take-over", "--yes")
            terminal.json("group", "reset", "mailer", "--to", "begin", *take_over)
            listener.until_seen(16)
            assert listener.refs == refs * 2

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("index", "--to", "begin"), 4, "`eventstore projection rebuild index`"),
            (("journal", "--to", "begin"), 4, "one of the store's own groups"),
            (("nobody", "--to", "begin"), 1, "no consumer group 'nobody'"),
            (("judges", "--to", "begin"), 4, "its members compete for work"),
            (("deleting", "--to", "begin"), 4, "it is being deleted"),
            (("mailer", "--to", "first"), 2, "it is begin, end or a position"),
            (("mailer", "--to", "3"), 2, "say which: --partition"),
            (("mailer", "--to", "3", "--partition", "2"), 2, "there are 2, counted from 0"),
            (("mailer", "--to", "9", "--partition", "0"), 2, "not 9"),
        ],
    )
    def test_what_cannot_be_moved_is_refused(
        self,
        store: EventStore,
        terminal: Terminal,
        redis_client: redis.Redis,
        arguments: tuple[str, ...],
        code: int,
        said: str,
    ) -> None:
        publish(store, "s", 1)
        commit(store, "mailer", 1)
        first = store.parts.log.partitions[0]
        redis_client.hset(first.competing, "judges", "{}")
        redis_client.hset(first.subscribers, "deleting", "")
        for more in ((), ("--yes",)):
            assert said in terminal.run("group", "reset", *arguments, *more, code=code).stderr


class TestDelete:
    def test_everything_of_it_goes_and_nothing_else(
        self, store: EventStore, terminal: Terminal, redis_client: redis.Redis
    ) -> None:
        publish(store, "s", 8)
        pattern = f"{store.parts.log.partitions[0].prefix[:-3]}*"
        commit(store, "other", 2)
        before = set(redis_client.scan_iter(match=pattern, count=1000))
        commit(store, "mailer", 5)
        for keys in store.parts.log.partitions:
            redis_client.set(keys.subscriber("mailer").of("kept"), "x")
            redis_client.hset(keys.parked("mailer").items, "1", "x")
            redis_client.hset(keys.checkpoints, "mailer@replay", f"1:1:{'0' * 16}")
        said = terminal.json("group", "delete", "mailer")
        assert (said["done"], {each["keys"] for each in said["partitions"]}) == (False, {2})
        assert max(positions(store, "mailer")) == 5
        assert terminal.json("group", "delete", "mailer", "--yes")["done"] is True
        assert set(redis_client.scan_iter(match=pattern, count=1000)) == before
        for keys in store.parts.log.partitions:
            left: Any = redis_client.hkeys(keys.checkpoints)
            assert [name for name in left if name.startswith(b"mailer")] == []
        assert rows(terminal, "mailer") == []
        assert max(positions(store, "other")) == 2
        assert "no consumer group" in terminal.run("group", "delete", "mailer", code=1).stderr

    def test_who_goes_on_consuming_it_is_told(self, store: EventStore, terminal: Terminal) -> None:
        publish(store, "s", 8)
        with Listener(store.subscribe(group="mailer")) as listener:
            listener.until_seen(8)
            assert "first" in terminal.run("group", "delete", "mailer", "--yes", code=4).stderr
            terminal.run("group", "delete", "mailer", "--yes", "--take-over")
            assert isinstance(listener.until_ended(), GroupNotFound)
        assert rows(terminal, "mailer") == []

    def test_one_that_was_begun_is_completed(
        self, store: EventStore, terminal: Terminal, redis_client: redis.Redis
    ) -> None:
        publish(store, "s", 8)
        commit(store, "mailer", 5)
        first = store.parts.log.partitions[0]
        redis_client.hset(first.subscribers, "mailer", "")
        redis_client.hdel(first.checkpoints, "mailer")
        with pytest.raises(GroupRefused, match="being deleted"):
            take(store.subscribe(group="mailer"), 1)
        assert rows(terminal, "mailer")[0]["position"] is None
        terminal.run("group", "delete", "mailer", "--yes")
        assert rows(terminal, "mailer") == []
        commit(store, "mailer", 8)

    def test_what_a_projection_left_behind_goes(
        self, store: EventStore, terminal: Terminal, redis_client: redis.Redis
    ) -> None:
        first = store.parts.log.partitions[0]
        redis_client.hset(first.checkpoints, "gone", f"1:0:{'0' * 16}")
        terminal.run("group", "delete", "gone", "--yes")
        assert rows(terminal, "gone") == []

    def test_a_competing_group_goes_with_its_work(
        self, store: EventStore, terminal: Terminal, redis_client: redis.Redis
    ) -> None:
        publish(store, "s", 8)
        pattern = f"{store.parts.log.partitions[0].prefix[:-3]}*"
        before = set(redis_client.scan_iter(match=pattern, count=1000))
        in_hand, may_go = threading.Event(), threading.Event()

        def hold(item: WorkItem) -> None:
            in_hand.set()
            may_go.wait(60.0)

        with Running(store.compete(group="judges")(hold)) as running:
            assert in_hand.wait(60.0)
            listed = rows(terminal, "judges")
            assert all(row["owner"].endswith(f"/{os.getpid()}") for row in listed)
            until(lambda: sum(row["pending"] for row in rows(terminal, "judges")) == 8)
            said = terminal.run("group", "delete", "judges", "--yes", code=4).stderr
            assert "competes for its work" in said
            terminal.run("group", "delete", "judges", "--yes", "--take-over")
            may_go.set()
            running.until_ended()
            assert isinstance(running.error, GroupNotFound)
        assert rows(terminal, "judges") == []
        assert set(redis_client.scan_iter(match=pattern, count=1000)) == before

    @pytest.mark.parametrize(("group", "code"), [("index", 4), ("payloads", 4), ("nobody", 1)])
    def test_what_cannot_be_deleted_is_refused(
        self, terminal: Terminal, group: str, code: int
    ) -> None:
        for more in ((), ("--yes",), ("--yes", "--take-over")):
            terminal.run("group", "delete", group, *more, code=code)
