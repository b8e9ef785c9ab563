"""`log trim` and `log usage` at the command line: what may go, what went, and what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import publish, running
from support.terminal import Terminal

from consumers.checking.catching_up import wait_until_caught_up
from consumers.working.groups import known_groups
from eventstore.store import EventStore

if TYPE_CHECKING:
    import redis
    from support.server import PrivateServer

SESSIONS = ("a", "d")


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Terminal:
    """A store of two partitions of 20 events each, all consumed."""
    terminal = Terminal(server, namespace, 2)
    with EventStore(terminal.settings) as store, running(terminal.settings, known_groups()):
        for session in SESSIONS:
            publish(store, session, 20)
        wait_until_caught_up(store, known_groups())
    return terminal


def test_what_may_go_is_said_and_goes_once(terminal: Terminal) -> None:
    told = terminal.json("log", "trim", "--keep-events", "5")
    assert [(row["first"], row["head"], row["due"], row["may_go"]) for row in told] == [
        (1, 20, 15, 15)
    ] * 2
    assert [row["trimmed"] for row in told] == [0, 0]
    assert "--yes does it" in terminal.run("log", "trim", "--keep-events", "5").stderr
    done = terminal.json("log", "trim", "--keep-events", "5", "--yes")
    assert [(row["first"], row["trimmed"], row["waits_for"]) for row in done] == [
        (16, 15, None)
    ] * 2
    again = terminal.json("log", "trim", "--keep-events", "5", "--yes")
    assert [(row["may_go"], row["trimmed"]) for row in again] == [(0, 0)] * 2
    assert "Retention" in terminal.run("log", "trim", "--keep-events", "5", "--yes").stdout
    (whole,) = {row["ok"] for row in terminal.json("log", "verify")}
    assert whole
    assert terminal.json("journal", "verify")[0]["ok"]


def test_the_tail_reaches_back_into_the_journal(terminal: Terminal) -> None:
    before = terminal.json("artifact", "tail", "--limit", "30")
    of_session = terminal.json("artifact", "tail", "a", "--limit", "20")
    terminal.run("log", "trim", "--keep-events", "2", "--yes")
    assert terminal.json("artifact", "tail", "--limit", "30") == before
    assert terminal.json("artifact", "tail", "a", "--limit", "20") == of_session
    assert len(of_session) == 20


def test_who_holds_events_back_is_named(
    terminal: Terminal, redis_client: redis.Redis, namespace: str
) -> None:
    with EventStore(terminal.settings) as store:
        keys = store.parts.log.keys_of("a")
    redis_client.hset(keys.checkpoints, "billing", f"1:4:{'0' * 16}")
    rows = {row["partition"]: row for row in terminal.json("log", "trim", "--keep-events", "5")}
    held = rows[keys.partition]
    assert (held["may_go"], held["waiting"], held["waits_for"]) == (4, 11, "billing")
    assert held["groups"]["billing"] == 4
    assert rows[1 - keys.partition]["waits_for"] is None
    done = terminal.json("log", "trim", "--keep-events", "5", "--yes")
    assert done[keys.partition]["first"] == 5


def test_by_age(terminal: Terminal) -> None:
    assert [row["due"] for row in terminal.json("log", "trim", "--keep-seconds", "3600")] == [0, 0]
    rows = terminal.json("log", "trim", "--keep-seconds", "3600", "--keep-events", "1", "--yes")
    assert [row["trimmed"] for row in rows] == [0, 0]


def test_without_a_rule_it_is_refused(terminal: Terminal) -> None:
    said = terminal.json("log", "trim", "--yes", code=2)
    assert "retention.keep_events" in said["error"]["message"]
    terminal.run("log", "trim", "--keep-events", "0", code=2)


def test_bytes_by_what_they_are_for(terminal: Terminal) -> None:
    before = terminal.json("log", "usage")
    kinds = {kind["name"]: kind for kind in before["kinds"]}
    assert kinds["stream"]["keys"] == kinds["refs"]["keys"] == 2
    assert kinds["artifacts:headers"]["bytes"] > 0
    assert before["used_memory"] > sum(kind["bytes"] for kind in before["kinds"])
    assert [log["events"] for log in before["logs"]] == [20, 20]
    files = {each["name"]: each for each in before["files"]}
    assert files["payloads"]["files"] == 40
    assert files["journal"]["bytes"] > 0
    assert files["journal index"] == {"name": "journal index", "files": 0, "bytes": 0}
    terminal.run("log", "trim", "--keep-events", "1", "--yes")
    after = terminal.json("log", "usage")
    assert [(log["trimmed"], log["events"]) for log in after["logs"]] == [(19, 1)] * 2
    smaller = {kind["name"]: kind["bytes"] for kind in after["kinds"]}
    assert all(smaller[name] < kinds[name]["bytes"] for name in ("stream", "refs"))
    assert {each["name"]: each["files"] for each in after["files"]}["journal index"] == 2
    shown = terminal.run("log", "usage").stdout
    assert "kind of key" in shown
    assert "journal index" in shown
