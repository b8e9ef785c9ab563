"""`eventstore branch`: rewinds, checkouts, moments of the past and comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.terminal import Terminal

from eventstore.times import from_milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer

REF = "0123456789abcdef" * 2


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Iterator[Terminal]:
    with Terminal(server, namespace).working() as working:
        yield working


def publish(terminal: Terminal, *payloads: str, branch: str = "main", type_: str = "state") -> None:
    for payload in payloads:
        terminal.run("artifact", "publish", "s", payload, "--branch", branch, "--type", type_)


def payloads(terminal: Terminal, *arguments: str) -> list[object]:
    return [row["payload"] for row in terminal.json("branch", "history", "s", *arguments)]


def test_a_rewind_hides_steps_that_the_past_still_shows(terminal: Terminal) -> None:
    publish(terminal, "1", "2", "3")
    rewound = terminal.json("branch", "rewind", "s", "--to", "0", "--ref", REF)
    assert rewound == {"ref": REF, "position": 4, "seq": 3, "branch_id": "main", "to": 0}
    assert terminal.json("branch", "rewind", "s", "--to", "0", "--ref", REF) == rewound
    assert payloads(terminal) == [1]
    assert payloads(terminal, "--as-of", "2") == [1, 2, 3]
    assert payloads(terminal, "--as-of", "2", "-n", "1") == [3]
    assert payloads(terminal, "--as-of", from_milliseconds(0)) == []
    assert payloads(terminal, "--as-of", "0s") == [1]
    assert terminal.run("branch", "rewind", "s", "--to", "2", code=4).stderr
    assert "--as-of 3" in terminal.run("branch", "rewind", "s", "--to", "0").stderr
    terminal.run("branch", "history", "s", "--as-of", "99", code=2)
    terminal.run("branch", "history", "s", "--as-of", "yesterday", code=2)


def test_a_rewound_step_is_forked_through_the_past(terminal: Terminal) -> None:
    publish(terminal, "1", "2")
    terminal.run("branch", "rewind", "s", "--to", "0")
    fork = ("branch", "fork", "s", "--at", "1", "--name", "saved", "--ref", REF)
    terminal.run(*fork, code=4)
    assert terminal.run(*fork, "--as-of", "1").stdout == "saved\n"
    assert terminal.run(*fork, "--as-of", "1").stdout == "saved\n"
    assert payloads(terminal, "saved") == [1, 2]


def test_an_agent_is_checked_out(terminal: Terminal) -> None:
    publish(terminal, "1")
    terminal.run("branch", "fork", "s", "--at", "0", "--name", "b")
    found = terminal.json("branch", "checkout", "s", "b", "--agent", "writer")
    assert (found["branch_id"], found["seq"]) == ("b", 2)
    assert terminal.run("branch", "checkout", "s", "main").stderr == "checked out main\n"
    terminal.run("branch", "checkout", "s", "nobranch", code=1)


def test_branches_are_listed_with_their_scores(terminal: Terminal) -> None:
    publish(terminal, "1")
    publish(terminal, '{"score": 0.5}', type_="evaluation")
    (row,) = terminal.json("branch", "list", "s")
    assert row["scores"]["mean"] == 0.5
    assert "mean score 0.5000" in terminal.run("branch", "list", "s").stdout


def test_branches_are_compared(terminal: Terminal) -> None:
    publish(terminal, '"task"')
    terminal.run("branch", "fork", "s", "--at", "0", "--name", "b")
    publish(terminal, '{"name": "f", "arguments": {"x": 1}}', type_="tool_call")
    publish(terminal, '{"name": "g", "arguments": {}}', type_="tool_call", branch="b")
    publish(terminal, '{"name": "f", "arguments": {"x": 2}}', type_="tool_call", branch="b")
    found = terminal.json("branch", "diff", "s", "main", "b")
    assert (found["common"], [step["op"] for step in found["steps"]]) == (1, ["added", "changed"])
    assert found["steps"][1]["changes"] == [
        {"path": "payload.arguments.x", "op": "changed", "a": 1, "b": 2}
    ]
    assert found["totals"]["cost_usd"] == {"a": None, "b": None, "delta": None}
    shown = terminal.run("branch", "diff", "s", "main", "b").stdout
    assert "main and b: 1 common step, then 0 same, 1 changed, 1 added, 0 removed" in shown
    assert "payload.arguments.x: 1 → 2" in shown
    terminal.run("branch", "diff", "s", "main", "nobranch", code=1)
