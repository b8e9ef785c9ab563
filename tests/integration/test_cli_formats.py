"""`export --format …` and `import` of what it wrote: events as they were, chats as runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.event_files import write_lines
from support.recorded_runs import sessions_of
from support.tau_data import EIGHT_RUNS, eight_records
from support.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

USER = {"role": "user", "content": "hello"}
ANSWER = {"role": "assistant", "content": "hi", "annotations": []}


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Terminal:
    return Terminal(server, namespace)


def test_events_go_out_and_into_an_empty_store(
    terminal: Terminal, server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    imported = terminal.json("import", str(EIGHT_RUNS))
    out = tmp_path / "all.jsonl"
    assert terminal.run("export", "--all", "--format", "jsonl", "-o", str(out)).stdout == ""
    data = out.read_bytes()
    assert data.count(b"\n") == imported["events"]

    other = Terminal(server, f"{namespace}-to")
    loaded = other.json("import", str(out))
    assert (loaded["runs"], loaded["added"], loaded["known"]) == (8, imported["events"], 0)
    again = other.json("import", str(out), "--format", "jsonl")
    assert (again["added"], again["known"]) == (0, imported["events"])
    assert other.run("export", "--all", "--format", "jsonl").stdout_bytes == data
    with terminal.working(), other.working():
        assert other.run("export", "--all").stdout == terminal.run("export", "--all").stdout
        digests = [
            [row["digest"] for row in each.json("projection", "verify")]
            for each in (terminal, other)
        ]
    assert digests[0] == digests[1]


def test_one_session_goes_out_alone(terminal: Terminal) -> None:
    for session in "abab":
        terminal.run("artifact", "publish", session, "1")
    lines = terminal.run("export", "a", "--format", "jsonl").stdout.splitlines()
    assert [(json.loads(line)["session"], json.loads(line)["seq"]) for line in lines] == [
        ("a", 0),
        ("a", 1),
    ]
    assert terminal.run("export", "none", "--format", "jsonl", code=1).stdout == ""
    refused = terminal.run("export", "a", "--format", "jsonl", "--branch", "main", code=2)
    assert "--branch" in refused.stderr


def test_a_damaged_line_and_another_session_have_codes_of_their_own(
    server: PrivateServer, namespace: str, terminal: Terminal, tmp_path: Path
) -> None:
    terminal.run("artifact", "publish", "a", "1")
    data = terminal.run("export", "a", "--format", "jsonl").stdout_bytes
    damaged = write_lines(tmp_path / "damaged", [data, data.replace(b'"seq":0', b'"seq":1')])
    refused = terminal.json("import", str(damaged), code=2)["error"]["message"]
    assert refused == f"{damaged}: line 2: is damaged: its bytes are not those of its check"
    terminal.run("artifact", "publish", "b", "1")
    later = terminal.run("export", "b", "--format", "jsonl").stdout_bytes
    terminal.run("artifact", "publish", "c", "1")
    other = Terminal(server, f"{namespace}-to")
    other.run("artifact", "publish", "b", "2")
    said = other.json("import", str(write_lines(tmp_path / "b", [data, later])), code=4)
    assert "line 2: session 'b' has other events here" in said["error"]["message"]
    noted = other.run("import", str(tmp_path / "b"), code=4).stderr
    assert "stopped after 1 events, 0 of them added; the same import again completes it" in noted


def test_what_is_no_event_is_refused_by_its_line(terminal: Terminal, tmp_path: Path) -> None:
    empty = write_lines(tmp_path / "empty", [])
    assert terminal.json("import", str(empty), "--format", "jsonl")["events"] == 0
    for content in (b'{"kind":"x"}\n', b'{"kind":"', b'{"kind":"\xff'):
        path = write_lines(tmp_path / "f", [content])
        assert "line 1: is no exported event" in terminal.run("import", str(path), code=2).stderr
    assert "cannot be read" in terminal.run("import", str(tmp_path), code=2).stderr


@pytest.mark.parametrize(
    ("content", "conversations"),
    [
        ([USER, ANSWER], [[USER, ANSWER]]),
        ({"messages": [USER]}, [[USER]]),
        ([{"messages": [USER]}, {"messages": [ANSWER], "tools": []}], [[USER], [ANSWER]]),
        ({"a": [USER], "b": [], "c": [USER]}, [[USER], [], [USER]]),
    ],
    ids=["messages", "object", "objects", "sessions"],
)
def test_chats_come_in_as_runs_and_out_as_they_were(
    terminal: Terminal, tmp_path: Path, content: Any, conversations: list[Any]
) -> None:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(content))
    with terminal.working():
        loaded = terminal.json("import", str(path))
        assert loaded["runs"] == len(conversations)
        assert terminal.json("import", str(path), "--format", "openai-chat")["added"] == 0
        exported = json.loads(terminal.run("export", "--all").stdout)
    assert sorted(exported.values(), key=str) == sorted(conversations, key=str)
    assert all(session.startswith("openai-chat/") for session in exported)


def test_what_export_all_wrote_comes_in_beside_its_sessions(
    terminal: Terminal, tmp_path: Path
) -> None:
    out = tmp_path / "all.json"
    with terminal.working():
        terminal.run("import", str(EIGHT_RUNS))
        before = sessions_of(terminal)
        terminal.run("export", "--all", "-o", str(out))
        assert terminal.json("import", str(out))["runs"] == 8
        exported = json.loads(terminal.run("export", "--all").stdout)
    trajectories = [record["traj"] for record in eight_records()]
    imported = [messages for session, messages in exported.items() if session not in before]
    assert sorted(imported, key=str) == sorted(trajectories, key=str)


def test_a_fork_is_exported_with_what_it_inherited(terminal: Terminal) -> None:
    for content in ("one", "two"):
        terminal.run("artifact", "publish", "s", json.dumps({"role": "user", "content": content}))
    terminal.run("branch", "fork", "s", "--at", "0", "--name", "b")
    terminal.run("artifact", "publish", "s", json.dumps(ANSWER), "--branch", "b")
    with terminal.working():
        messages = json.loads(terminal.run("export", "s", "--branch", "b").stdout)
    assert messages == [{"role": "user", "content": "one"}, ANSWER]


def test_all_sessions_are_exported_but_those_that_messages_cannot_hold(
    terminal: Terminal, tmp_path: Path
) -> None:
    for session, form in (("a", "json"), ("b", "bytes"), ("c", "json")):
        terminal.run("artifact", "publish", session, '"said"', "--as", form)
    out = tmp_path / "all.json"
    with terminal.working():
        done = terminal.run("export", "--all", code=1)
        assert terminal.run("export", "--all", "-o", str(out), code=1).stdout == ""
        assert "bytes" in terminal.run("export", "b", code=2).stderr
    assert list(json.loads(done.stdout)) == list(json.loads(out.read_text())) == ["a", "c"]
    assert "left out session 'b': " in done.stderr
    assert "--format jsonl holds it" in done.stderr
    lines = terminal.run("export", "--all", "--format", "jsonl").stdout.splitlines()
    assert json.loads(lines[1])["payload_base64"] == "InNhaWQi"


def test_a_file_may_have_the_longest_name_there_is(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run("artifact", "publish", "s", "1")
    out = tmp_path / ("x" * 255)
    terminal.run("export", "s", "--format", "jsonl", "-o", str(out))
    assert out.read_bytes().count(b"\n") == 1
    assert list(tmp_path.iterdir()) == [out]
    longer = str(tmp_path / ("x" * 256))
    refused = terminal.run("export", "s", "--format", "jsonl", "-o", longer, code=2).stderr
    assert "File name too long" in refused
