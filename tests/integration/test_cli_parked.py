"""`eventstore parked`: what groups gave up is listed, shown, handed on again, and dropped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from support.consuming import at, publish, running, until_caught_up
from support.parking import left_out, missing, parked_of, trying
from support.payloads import GROUP, payload_of
from support.stores import open_store
from support.terminal import Terminal

from consumers.working.groups import project
from eventstore.parking import replaying
from projections.index import Index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import redis
    from support.server import PrivateServer

    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys
    from eventstore.store import EventStore
    from projections.base import State, Write

LOST = (2, 4)


class Broken(Index):
    """The index with a defect: it cannot fold the second event."""

    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        if any(item.position == 2 for item in events):
            raise ValueError("token=abcdefghijkl: no such row")
        return super().fold(events, state, keys)


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Terminal:
    return Terminal(server, namespace, lease_seconds=0.3)


@pytest.fixture
def store(server: PrivateServer, namespace: str, terminal: Terminal) -> Iterator[EventStore]:
    with open_store(server, namespace, lease_seconds=0.3) as opened:
        yield opened


@pytest.fixture
def lost(terminal: Terminal, store: EventStore, redis_client: redis.Redis) -> dict[str, bytes]:
    """Park two of five payloads, whose buffers are gone; return those by ref."""
    refs = publish(store, "s", 5)
    [keys] = store.parts.log.partitions
    found: dict[str, bytes] = {}
    for position in LOST:
        value: Any = redis_client.get(keys.payload(refs[position - 1]))
        found[refs[position - 1]] = value
        redis_client.unlink(keys.payload(refs[position - 1]))
    with running(trying(terminal.settings, 2), GROUP):
        until_caught_up(store, "payloads")
    return found


def test_what_is_parked_is_counted_and_listed(terminal: Terminal, lost: dict[str, bytes]) -> None:
    assert terminal.json("parked", "list") == [
        {"group": "payloads", "partition": 0, "parked": 2, "dropped": 0}
    ]
    items = terminal.json("parked", "list", "payloads")
    assert [(each["position"], each["ref"]) for each in items] == [*zip(LOST, lost, strict=True)]
    assert all(each["error"].startswith("PayloadMissing: ") for each in items)
    assert {(each["partition"], each["session_id"], each["attempts"]) for each in items} == {
        (0, "s", 2)
    }
    assert terminal.json("parked", "list", "payloads", "-n", "1") == items[:1]
    shown = terminal.run("parked", "list", "payloads").stdout
    assert all(ref in shown for ref in lost)
    assert "payloads" in terminal.run("parked", "list").stdout
    assert terminal.json("parked", "list", "index") == []


def test_one_event_is_shown_whole(terminal: Terminal, lost: dict[str, bytes]) -> None:
    ref = next(iter(lost))
    shown = terminal.json("parked", "show", "payloads", ref)
    assert (shown["group"], shown["position"], shown["ref"]) == ("payloads", 2, ref)
    assert shown["header"]["session_id"] == "s"
    assert shown["traceback"].startswith("Traceback (most recent call last)")
    text = terminal.run("parked", "show", "payloads", ref).stdout
    assert "Traceback (most recent call last)" in text
    assert "PayloadMissing" in text


def test_a_session_says_that_it_is_degraded(
    terminal: Terminal, store: EventStore, lost: dict[str, bytes], redis_client: redis.Redis
) -> None:
    def shown(session: str) -> str:
        done = terminal.run("session", "show", session, "--stale")
        return re.sub(" +", " ", done.stdout + done.stderr)

    publish(store, "t", 1)
    assert terminal.json("session", "show", "s", "--stale")["degraded"] == {"payloads": 2}
    assert "degraded payloads 2" in shown("s")
    assert "payloads left out 2 of its events: `eventstore parked list payloads`" in shown("s")
    assert terminal.json("session", "show", "t", "--stale")["degraded"] == {}
    assert "degraded no" in shown("t")
    [keys] = store.parts.log.partitions
    for ref, payload in lost.items():
        redis_client.set(keys.payload(ref), payload)
    terminal.run("parked", "replay", "payloads")
    assert terminal.json("session", "show", "s", "--stale")["degraded"] == {}
    assert "left out" not in shown("s")


def test_what_is_not_parked_is_not_found(terminal: Terminal, lost: dict[str, bytes]) -> None:
    ref = next(iter(lost))
    assert "has not parked" in terminal.run("parked", "show", "index", ref, code=1).stderr
    assert "no artifact" in terminal.run("parked", "show", "payloads", "0" * 32, code=1).stderr
    assert "no consumer group" in terminal.run("parked", "replay", "nobody", code=1).stderr
    assert "no consumer group" in terminal.run("parked", "drop", "nobody", "--all", code=1).stderr


def test_a_replay_hands_on_what_can_be_handled_now(
    terminal: Terminal, store: EventStore, lost: dict[str, bytes], redis_client: redis.Redis
) -> None:
    [keys] = store.parts.log.partitions
    before = at(store, "payloads")
    first, second = lost
    redis_client.set(keys.payload(second), lost[second])
    done = terminal.json("parked", "replay", "payloads", code=1)
    assert done.pop("events_per_second") > 0
    assert done == {"group": "payloads", "handled": 1, "failed": 1}
    [item] = parked_of(store, "payloads")
    assert (item.ref, item.attempts) == (first, 3)
    redis_client.set(keys.payload(first), lost[first])
    said = terminal.run("parked", "replay", "payloads").stdout
    assert "1 events of payloads are parked no more" in said
    assert terminal.json("parked", "list") == []
    assert (left_out(store, "payloads"), missing(store, "s")) == ([], {})
    assert at(store, "payloads") == before
    assert [payload_of(store, item) for item in store.read("s")] == [{"n": n} for n in range(5)]
    meta: dict[Any, Any] = redis_client.hgetall(keys.meta)
    assert meta[b"payload_bytes"] == b"0"
    checkpoints: dict[Any, Any] = redis_client.hgetall(keys.checkpoints)
    assert set(checkpoints) == {b"payloads"}


def test_a_terminal_is_shown_how_far_a_replay_is_and_how_fast(
    terminal: Terminal, lost: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    del lost
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(replaying, "_SETTLE_SECONDS", 0.0)
    shown = terminal.run("parked", "replay", "payloads", code=1).stderr
    assert "partition 0" in shown
    assert "2/2" in shown
    assert re.search(r"[0-9,]+ events/s", shown)
    monkeypatch.delenv("FORCE_COLOR")
    assert "partition 0" not in terminal.run("parked", "replay", "payloads", code=1).stderr


def test_dropping_says_what_it_would_do_until_it_is_told_to(
    terminal: Terminal, store: EventStore, lost: dict[str, bytes]
) -> None:
    first, second = lost
    assert "--all" in terminal.run("parked", "drop", "payloads", code=2).stderr
    assert terminal.run("parked", "drop", "payloads", first, "--all", code=2).stderr
    would = terminal.json("parked", "drop", "payloads", "--all")
    assert would == {"group": "payloads", "events": 2, "dropped": False}
    assert "would be dropped" in terminal.run("parked", "drop", "payloads", first).stdout
    assert len(parked_of(store, "payloads")) == 2
    done = terminal.json("parked", "drop", "payloads", first, "--yes")
    assert done == {"group": "payloads", "events": 1, "dropped": True}
    assert [item.ref for item in parked_of(store, "payloads")] == [second]
    assert missing(store, "s") == {"payloads": 1}
    assert "1 parked" in terminal.run("parked", "drop", "payloads", "--all", "--yes").stdout
    assert (left_out(store, "payloads"), missing(store, "s")) == ([], {})


def test_a_read_model_is_rebuilt_and_not_replayed(terminal: Terminal, store: EventStore) -> None:
    publish(store, "s", 3)
    with running(trying(terminal.settings, 1), {"index": project(Broken())}):
        until_caught_up(store, "index")
    assert [item.position for item in parked_of(store, "index")] == [2]
    said = terminal.run("parked", "replay", "index", code=4).stderr
    assert "eventstore projection rebuild index" in said
    terminal.json("parked", "drop", "index", "--all", "--yes")
    assert terminal.json("parked", "list") == [
        {"group": "index", "partition": 0, "parked": 0, "dropped": 1}
    ]
    assert missing(store, "s") == {"index": 1}
    assert terminal.json("projection", "verify", "index")[0]["equal"]
    terminal.json("projection", "rebuild", "index")
    assert (terminal.json("parked", "list"), missing(store, "s")) == ([], {})
