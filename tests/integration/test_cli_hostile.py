"""The command line with hostile names and payloads: said once, by its field, and never raw."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.terminal import Terminal

from consumers.cli import output
from eventstore.names import MAX_NAME_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

STEERING = "\x1b\x07\x9b\x7f\u200f\u202e"
NAMES = ["..", "a/b", "{s}", "%3A", "new\nline", "-", " ", "é🎉", "[bold]s[/bold]", STEERING]


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Terminal:
    return Terminal(server, namespace)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_of_any_text_is_kept_and_shown_without_steering(
    terminal: Terminal, name: str
) -> None:
    given = ("--agent", name, "--type", name, "--branch", name, "--tag", name)
    ref = terminal.json("artifact", "publish", name, "1", *given)["ref"]
    header = terminal.json("artifact", "get", ref)["header"]
    found = [header[field] for field in ("session_id", "agent_id", "type", "branch_id")]
    assert [*found, *header["meta"]["tags"]] == [name] * 5
    for shown in ("session list", "artifact tail", f"artifact get {ref}"):
        assert not set(STEERING) & set(terminal.run(*shown.split()).stdout)
    missing = terminal.run("session", "show", "x" + name, "--stale", code=1).stderr
    assert not set(STEERING) & set(missing)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("", "1"), "header.session_id: a name cannot be empty"),
        (("s", "1", "--agent", ""), "header.agent_id: a name cannot be empty"),
        (("s", "1", "--branch", ""), "header.branch_id: a name cannot be empty"),
        (("s", "1", "--type", ""), "header.type: a name cannot be empty"),
        (("s", "1", "--tag", ""), "header.meta.tags[0]: a name cannot be empty"),
        (("s", "1", "--mime", ""), "header.mime: a name cannot be empty"),
        (("s", "1", "--ref", ""), "header.ref: '' is not a ref"),
        (("s", "1", "--parent", ""), "header.parent_refs[0]: '' is not a ref"),
        (("s" * (MAX_NAME_BYTES + 1), "1"), "header.session_id: a name has at most 1024 bytes"),
        (("s", "1", "--agent", "a" * 1_000_000), "header.agent_id: a name has at most 1024"),
        (("\udcff", "1"), "header.session_id: '\\udcff' holds a lone surrogate"),
        (("s", ""), "payload: not JSON: Expecting value"),
        (("s", "{"), "payload: not JSON: Expecting property name"),
        (("s", '{"a": 1, "a": 2}'), "payload: not JSON: an object has a key twice"),
        (("s", "[" * 100_000), "payload: not JSON: "),
        (("s", '["\\ud800"]'), "payload[0]: holds a lone surrogate"),
        (("s", '{"a": 1e999}'), "payload.a: inf is not a JSON number"),
        (("s", "1", "--header", "{"), "--header: not JSON: Expecting property name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_is_said_once_and_by_its_field(
    terminal: Terminal, arguments: tuple[str, ...], said: str
) -> None:
    message = terminal.json("artifact", "publish", *arguments, code=2)["error"]["message"]
    assert message.startswith(said)
    assert message.count("not JSON") <= 1
    assert terminal.json("session", "list") == []


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ([f"red{STEERING}"], '"red\\u001b\\u0007\\u009b\\u007f\\u200f\\u202e"'),
        ({"k\x9b": [1, None]}, '"k\\u009b"'),
    ],
)
def test_a_json_payload_is_shown_as_json_without_steering(
    terminal: Terminal, payload: object, shown: str
) -> None:
    ref = terminal.json("artifact", "publish", "s", json.dumps(payload))["ref"]
    answer = terminal.run("artifact", "get", ref).stdout
    assert shown in answer
    assert json.loads("\n".join(answer.splitlines()[-len(_indented(payload)) :])) == payload


def _indented(payload: object) -> list[str]:
    return json.dumps(payload, indent=2).splitlines()


def test_a_document_steers_no_terminal_and_says_the_same(terminal: Terminal) -> None:
    terminal.json("artifact", "publish", STEERING, json.dumps({STEERING: STEERING}))
    for command in (("session", "list"), ("artifact", "tail"), ("session", "trace", STEERING)):
        for more in ((), ("--json",)):
            assert not set(STEERING) & set(terminal.run(*command, *more).stdout)
    (session,) = terminal.json("session", "list")
    assert session["session_id"] == STEERING


@pytest.mark.parametrize("name", ["[bold]b[/bold]", "#b", STEERING], ids=ascii)
def test_a_column_named_as_a_user_named_a_branch_is_its_text(terminal: Terminal, name: str) -> None:
    for branch in ("main", name):
        terminal.json("artifact", "publish", "s", "1", "--branch", branch)
    with terminal.working():
        shown = terminal.run("branch", "diff", "s", "main", name).stdout
    assert not set(STEERING) & set(shown)
    assert output.printable(name) in shown.splitlines()[2]


def test_a_text_payload_is_shown_in_its_lines_without_steering(terminal: Terminal) -> None:
    text = f"one\n\ttwo {STEERING}\r"
    ref = terminal.json("artifact", "publish", "s", text, "--as", "text")["ref"]
    shown = terminal.run("artifact", "get", ref).stdout
    assert "one\n" in shown
    assert "two \\x1b\\x07\\x9b\\x7f\\u200f\\u202e\\r" in shown
    assert not set(STEERING) & set(shown)
    assert terminal.run("artifact", "get", ref, "--raw").stdout_bytes == text.encode()


def test_a_file_that_is_not_there_has_no_byte(terminal: Terminal, tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    message = terminal.json("import", str(missing), code=2)["error"]["message"]
    assert message == f"{missing}: cannot be read: No such file or directory"
    folder = terminal.json("import", str(tmp_path), code=2)["error"]["message"]
    assert folder == f"{tmp_path}: cannot be read: Is a directory"


def test_the_name_of_a_file_does_not_steer_the_terminal(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal.run("import", str(tmp_path / f"x{STEERING}.json"), code=2).stderr
    assert "x\\x1b" in said
    assert not set(STEERING) & set(said)
