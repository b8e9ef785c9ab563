"""`eventstore artifact` and `branch`: what is published comes back, by every way of asking."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from support.terminal import Terminal

from eventstore.refs import generate_ref

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Iterator[Terminal]:
    with Terminal(server, namespace).working() as terminal:
        yield terminal


def test_a_published_value_comes_back_with_its_header(terminal: Terminal) -> None:
    appended = terminal.json(
        *("artifact", "publish", "s", '{"city": "Tromsø"}'),
        *("--type", "tool_call", "--agent", "planner", "--tag", "trip", "--tag", "x"),
        *("--header", '{"group_id": "g", "meta": {"note": 1}}'),
    )
    assert (appended["position"], appended["seq"], appended["step_idx"]) == (1, 0, 0)
    found = terminal.json("artifact", "get", appended["ref"])
    assert found["payload"] == {"city": "Tromsø"}
    header = found["header"]
    assert (header["session_id"], header["agent_id"], header["type"]) == (
        "s",
        "planner",
        "tool_call",
    )
    assert header["meta"] == {"note": 1, "tags": ["trip", "x"]}
    assert header["group_id"] == "g"


def test_without_json_publish_prints_the_ref_alone(terminal: Terminal) -> None:
    ref = terminal.run("artifact", "publish", "s", "1").stdout.strip()
    assert terminal.json("artifact", "get", ref)["payload"] == 1
    assert ref in terminal.run("artifact", "get", ref).stdout


def test_payloads_from_files_and_stdin_in_every_form(terminal: Terminal, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20
    file = tmp_path / "data"
    file.write_bytes(data)
    of_bytes = terminal.json("artifact", "publish", "s", "--file", str(file), "--as", "bytes")
    found = terminal.json("artifact", "get", of_bytes["ref"])
    assert base64.b64decode(found["payload_base64"]) == data
    assert "payload" not in found
    assert terminal.run("artifact", "get", of_bytes["ref"], "--raw").stdout_bytes == data

    text = terminal.run("artifact", "publish", "s", "-", "--as", "text", stdin="zwei\nZeilen")
    raw = terminal.run("artifact", "get", text.stdout.strip(), "--raw")
    assert raw.stdout_bytes == b"zwei\nZeilen"

    value = terminal.run("artifact", "publish", "s", "-", stdin='{"b": [1.5], "a": "é"}')
    raw = terminal.run("artifact", "get", value.stdout.strip(), "--raw")
    assert raw.stdout_bytes == '{"a":"é","b":[1.5]}'.encode()


def test_the_same_ref_again_adds_nothing_and_never_changes(terminal: Terminal) -> None:
    ref = generate_ref()
    first = terminal.json("artifact", "publish", "s", '"one"', "--ref", ref)
    assert terminal.json("artifact", "publish", "s", '"one"', "--ref", ref) == first
    refused = terminal.json("artifact", "publish", "s", '"two"', "--ref", ref, code=4)
    assert refused["error"]["type"] == "RefConflict"
    assert terminal.json("artifact", "get", ref)["payload"] == "one"
    assert len(terminal.json("artifact", "search", "s")) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("s", "not json"), "--as text"),
        (("s", "NaN"), "payload"),
        (("s",), "payload"),
        (("s", "1", "--file", "x"), "payload"),
        (("s", "--file", "/nowhere/at/all"), "/nowhere/at/all"),
        (("s", "1", "--header", "[]"), "--header"),
        (("s", "1", "--header", '{"nonsense": 1}'), "header.nonsense"),
        (("s", "1", "--ref", "short"), "ref"),
        (("", "1"), "session_id"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    terminal: Terminal, arguments: tuple[str, ...], said: str
) -> None:
    result = terminal.run("artifact", "publish", *arguments, "--json", code=2)
    assert said in json.loads(result.stdout)["error"]["message"]
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert terminal.json("session", "list") == []


def test_payload_bytes_that_are_no_text_are_refused(terminal: Terminal) -> None:
    result = terminal.run("artifact", "publish", "s", "-", code=2, stdin=b"ab\xff")
    assert "byte 2" in result.stderr


def test_search_filters_cuts_and_orders(terminal: Terminal) -> None:
    for number, agent in enumerate("abab"):
        moment = json.dumps({"ts": f"2026-01-01T00:00:0{number}.000Z"})
        terminal.run("artifact", "publish", "s", str(number), "--agent", agent, "--header", moment)

    def payloads(*options: str) -> list[int]:
        return [row["payload"] for row in terminal.json("artifact", "search", "s", *options)]

    assert payloads() == [3, 2, 1, 0]
    assert payloads("--order", "asc", "--limit", "2") == [0, 1]
    assert payloads("--agent", "b") == [3, 1]
    assert payloads("--since", "2026-01-01T00:00:01Z", "--until", "2026-01-01T00:00:03Z") == [2, 1]
    assert payloads("--since", "1h") == []
    assert payloads("--type", "evaluation") == []
    refused = terminal.run("artifact", "search", "s", "--since", "yesterday", code=2)
    assert "--since" in refused.stderr
    shown = terminal.run("artifact", "search", "s", "--type", "state").stdout
    assert [line.split()[0] for line in shown.splitlines() if " state " in line] == list("3210")


def test_brackets_of_users_are_no_markup(terminal: Terminal) -> None:
    terminal.run("artifact", "publish", "[bold]s[/bold]", '"[red]x[/red]"')
    assert "[red]x[/red]" in terminal.run("artifact", "search", "[bold]s[/bold]").stdout
    assert "[bold]s[/bold]" in terminal.run("session", "list").stdout


def test_what_is_not_there_is_a_finding(terminal: Terminal) -> None:
    ref = generate_ref()
    assert ref in terminal.run("artifact", "get", ref, code=1).stderr
    assert terminal.json("session", "show", "none", code=1)["error"]["exit_code"] == 1
    assert terminal.json("branch", "list", "none", code=1)["error"]["type"] == "SessionNotFound"


def test_tail_shows_the_end_of_the_log(terminal: Terminal) -> None:
    for number in range(4):
        terminal.run("artifact", "publish", f"s{number % 2}", str(number), "--type", f"t{number}")
    terminal.run("branch", "fork", "s0", "--at", "0")
    types = [header["type"] for header in terminal.json("artifact", "tail", "-n", "3")]
    assert types == ["t2", "t3", "branch.forked"]
    of_one = terminal.json("artifact", "tail", "s1")
    assert [header["type"] for header in of_one] == ["t1", "t3"]
    assert [h["position"] for h in terminal.json("artifact", "tail", "--type", "t0")] == [1]
    assert terminal.json("artifact", "tail", "--agent", "nobody") == []
    assert "t3" in terminal.run("artifact", "tail", "-n", "2").stdout


def test_branches_are_forked_listed_and_read(terminal: Terminal) -> None:
    for number in range(3):
        terminal.run("artifact", "publish", "s", str(number))
    fork = ("branch", "fork", "s", "--at", "1", "--name", "other")
    assert terminal.run(*fork).stdout == "other\n"
    assert "other" in terminal.run(*fork, code=4).stderr
    assert terminal.run("branch", "fork", "s", "--at", "9", code=4).stderr
    terminal.run("artifact", "publish", "s", '"new"', "--branch", "other")
    rows = terminal.json("branch", "list", "s")
    assert [(row["branch_id"], row["parent"], row["length"]) for row in rows] == [
        ("main", None, 3),
        ("other", "main", 3),
    ]
    history = terminal.json("branch", "history", "s", "other")
    assert [row["payload"] for row in history] == [0, 1, "new"]
    assert [row["header"]["depth"] for row in history] == [0, 1, 2]
    last = terminal.json("branch", "history", "s", "other", "-n", "1")
    assert [row["payload"] for row in last] == ["new"]
    tree = terminal.run("branch", "list", "s").stdout
    assert "other  3 steps, forked from main at step 1" in tree
    assert "new" in terminal.run("branch", "history", "s", "other").stdout


def test_a_session_is_shown_whole(terminal: Terminal) -> None:
    target = terminal.json("artifact", "publish", "s", "1", "--agent", "a")["ref"]
    terminal.run(
        *("artifact", "publish", "s", '{"score": 0.25, "evaluator_id": "e"}'),
        *("--type", "evaluation", "--header", json.dumps({"target": target})),
    )
    shown = terminal.json("session", "show", "s")
    assert (shown["events"], shown["types"]) == (2, {"state": 1, "evaluation": 1})
    assert shown["agents"] == {"a": 1, "operator": 1}
    assert [row["branch_id"] for row in shown["branches"]] == ["main"]
    (evaluation,) = shown["evaluations"]
    assert (evaluation["score"], evaluation["target"]) == (0.25, target)
    assert "0.2500" in terminal.run("session", "show", "s").stdout


def test_the_session_list_is_by_last_append_and_says_what_it_leaves_out(
    terminal: Terminal,
) -> None:
    for session in ("a", "b", "c", "a"):
        terminal.run("artifact", "publish", session, "1")
    rows = terminal.json("session", "list")
    assert {row["session_id"]: row["events"] for row in rows} == {"a": 2, "b": 1, "c": 1}
    assert rows[0]["last_append"] >= rows[1]["last_append"] >= rows[2]["last_append"]
    cut = terminal.run("session", "list", "-n", "1")
    assert "1 of 3 sessions" in cut.stderr
