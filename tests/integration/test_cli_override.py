"""`eventstore override`: patches by hand, refused when locked, with who wrote what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.terminal import Terminal

if TYPE_CHECKING:
    from support.server import PrivateServer


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Terminal:
    return Terminal(server, namespace)


def test_values_are_json_or_text_and_null_removes(terminal: Terminal) -> None:
    changes = ("model=gpt-4o", "temperature=0.3", 'tools=["a"]', "name=")
    made = terminal.json("override", "set", "s", "a", *changes)
    assert made == {"model": "gpt-4o", "temperature": 0.3, "tools": ["a"], "name": ""}
    assert "gpt-4o" in terminal.run("override", "get", "s", "a").stdout
    terminal.run("override", "set", "s", "a", "tools=null", "name=null")
    assert terminal.json("override", "get", "s", "a") == {"model": "gpt-4o", "temperature": 0.3}


def test_a_lock_is_refused_with_its_code(terminal: Terminal) -> None:
    terminal.run("override", "set", "s", "a", "model=m", "--lock")
    refused = terminal.json("override", "set", "s", "a", "model=n", code=4)
    assert "--unlock" in refused["error"]["message"] or "unlock" in refused["error"]["message"]
    assert "locked" in terminal.run("override", "get", "s", "a").stdout
    assert terminal.json("override", "set", "s", "a", "model=n", "--unlock") == {"model": "n"}
    assert "locked" not in terminal.run("override", "get", "s", "a").stdout


def test_history_and_the_past(terminal: Terminal) -> None:
    terminal.run("override", "set", "s", "a", "model=m")
    terminal.run("override", "set", "s", "a", "model=n")
    rows = terminal.json("override", "history", "s", "a")
    assert [row["patch"] for row in rows] == [{"model": "m"}, {"model": "n"}]
    assert '{"model": "n"}' in terminal.run("override", "history", "s", "a").stdout
    first = str(rows[0]["seq"])
    assert terminal.json("override", "get", "s", "a", "--as-of", first) == {"model": "m"}
    assert terminal.json("override", "get", "s", "a", "--as-of", "1h") == {}


@pytest.mark.parametrize("change", ["model", "=m", "lock=true"])
def test_what_is_no_change_is_refused(terminal: Terminal, change: str) -> None:
    assert "error" in terminal.json("override", "set", "s", "a", change, code=2)


def test_nothing_overridden_is_said(terminal: Terminal) -> None:
    assert "nothing" in terminal.run("override", "get", "s", "a").stderr
    assert terminal.json("override", "get", "s", "a") == {}
