"""Reads of projections wait for the head at their start, and no longer than they may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import publish, running, until_caught_up
from support.stores import open_store
from support.terminal import Terminal
from support.wait import until

from consumers.checking.catching_up import wait_until_caught_up
from consumers.working.groups import known_groups
from eventstore.errors import NotCaughtUp
from eventstore.health_checks import GROUPS

if TYPE_CHECKING:
    from support.server import PrivateServer

    from eventstore.store import EventStore


def test_a_read_without_a_worker_fails_soon_and_says_who_is_behind(
    server: PrivateServer, namespace: str
) -> None:
    terminal = Terminal(server, namespace, read_timeout=0.2)
    terminal.run("artifact", "publish", "s", "1")
    for command in (
        ("artifact", "search", "s"),
        ("branch", "list", "s"),
        ("branch", "history", "s"),
        ("session", "show", "s"),
        ("eval", "aggregate"),
        ("export", "s"),
    ):
        result = terminal.run(*command, code=3)
        assert "events short of 1" in result.stderr
        assert "`eventstore work`" in result.stderr
    assert terminal.json("artifact", "search", "s", "--stale") == []
    assert terminal.json("eval", "aggregate", "--stale")["count"] == 0


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_read_sees_what_others_appended_before_it(
    server: PrivateServer, namespace: str, partitions: int
) -> None:
    terminal = Terminal(server, namespace, partitions)
    with terminal.working(), open_store(server, namespace, partitions) as store:
        for number in range(5):
            refs = publish(store, f"s{number}", 200)
            rows = terminal.json("artifact", "search", f"s{number}", "-n", "1000")
            assert [row["header"]["ref"] for row in rows] == refs[::-1]


@pytest.mark.parametrize("partitions", [1, 4])
def test_tail_and_lists_go_over_all_partitions(
    server: PrivateServer, namespace: str, partitions: int
) -> None:
    terminal = Terminal(server, namespace, partitions)
    for number in range(6):
        terminal.run("artifact", "publish", f"s{number}", str(number))
    tail = terminal.json("artifact", "tail", "-n", "4")
    assert {header["session_id"] for header in tail} <= {f"s{n}" for n in range(6)}
    assert len(tail) == 4
    assert len(terminal.json("session", "list")) == 6
    lags = terminal.json("projection", "list")
    assert len(lags) == len(GROUPS) * partitions
    assert sum(row["lag_events"] for row in lags) == len(GROUPS) * 6
    assert all(row["lag_seconds"] > 0 for row in lags if row["lag_events"])
    with terminal.working(), open_store(server, namespace, partitions) as store:
        for group in known_groups():
            until_caught_up(store, group)
        caught_up = terminal.json("projection", "list")
        assert all(row["lag_events"] == 0 == row["lag_seconds"] for row in caught_up)
        assert all(row["position"] == row["head"] for row in caught_up)
        assert "timeline" in terminal.run("projection", "list").stdout


def test_waiting_goes_on_while_a_group_gets_on(server: PrivateServer, namespace: str) -> None:
    with open_store(server, namespace, read_timeout=0.05) as store:
        publish(store, "s", 3)
        told: list[tuple[str, int, int]] = []
        with pytest.raises(NotCaughtUp):
            wait_until_caught_up(store, ["index"], lambda *said: told.append(said))
        assert told[0] == ("index", 0, 3)
        settings = Terminal(server, namespace).settings
        with running(settings, known_groups()):
            until(lambda: _is_through(store), what="every group at the head")


def _is_through(store: EventStore) -> bool:
    try:
        wait_until_caught_up(store, known_groups())
    except NotCaughtUp:
        return False
    return True
