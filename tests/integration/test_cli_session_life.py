"""`eventstore session open` and `close`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.terminal import Terminal

if TYPE_CHECKING:
    from support.server import PrivateServer


def test_a_session_is_opened_closed_and_opened_again(server: PrivateServer, namespace: str) -> None:
    terminal = Terminal(server, namespace)
    opened = terminal.json("session", "open", "s", "--title", "A title")
    assert opened == {"session_id": "s", "state": "open", "changed": True}
    assert terminal.json("session", "open", "s")["changed"] is False
    assert terminal.run("session", "close", "s", "--reason", "done").stderr == "s is closed\n"
    assert terminal.run("session", "close", "s").stderr == "s is closed already\n"
    with terminal.working():
        shown = terminal.json("session", "show", "s")
    assert (shown["title"], shown["closed"], shown["events"]) == ("A title", True, 2)
    terminal.run("session", "open", "s")
    assert terminal.json("session", "show", "s", "--stale")["closed"] is False


def test_what_does_not_exist_is_not_closed(server: PrivateServer, namespace: str) -> None:
    terminal = Terminal(server, namespace)
    assert terminal.json("session", "close", "s", code=1)["error"]["type"] == "SessionNotFound"
    assert terminal.json("session", "list") == []
