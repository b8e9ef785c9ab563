"""`eventstore session trace`: a recorded run in causal order, for eyes and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.tau_data import EIGHT_RUNS
from support.terminal import Terminal

if TYPE_CHECKING:
    from support.server import PrivateServer


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Terminal:
    return Terminal(server, namespace)


def test_a_recorded_run(terminal: Terminal) -> None:
    terminal.run("import", str(EIGHT_RUNS))
    session = terminal.json("session", "list")[0]["session_id"]
    rows = terminal.json("session", "trace", session)
    place = {row["ref"]: number for number, row in enumerate(rows)}
    assert all(place[cause] < place[row["ref"]] for row in rows for cause in row["causes"])
    results = [row for row in rows if row["type"] == "tool_result"]
    assert results
    assert all(row["depth"] == 2 for row in results)
    # The source has no times, and the moment of the import is none of them.
    assert all(row["duration_ms"] is None for row in rows)
    shown = terminal.run("session", "trace", session).stdout
    assert f"{len(rows)} interactions" in shown
    assert results[0]["what"] in shown


def test_one_agent_and_one_branch(terminal: Terminal) -> None:
    for agent, branch in (("a", "main"), ("b", "main"), ("a", "side")):
        terminal.run("artifact", "publish", "s", "1", "--agent", agent, "--branch", branch)
    assert [row["agent_id"] for row in terminal.json("session", "trace", "s")] == ["a", "b", "a"]
    assert len(terminal.json("session", "trace", "s", "--agent", "a")) == 2
    (row,) = terminal.json("session", "trace", "s", "--agent", "a", "--branch", "side")
    assert row["branch_id"] == "side"


def test_a_session_that_does_not_exist(terminal: Terminal) -> None:
    terminal.json("session", "trace", "nothing", code=1)
