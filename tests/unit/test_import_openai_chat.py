"""Files of OpenAI chat messages: which conversations they hold, and where they are broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.recorded import rows_of

from consumers.exporting.chat import chat_messages
from consumers.importing.detect import read_runs
from eventstore.errors import ImportRefused
from eventstore.events import SessionClosed, SessionOpened

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.importing.runs import Run

USER = {"role": "user", "content": "hello"}
ANSWER = {"role": "assistant", "content": "hi"}


def read(folder: Path, content: Any, format_name: str = "auto") -> list[Run]:
    path = folder / "chat.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_runs(path, format_name)


def messages_of(run: Run) -> list[dict[str, Any]]:
    return chat_messages(rows_of(run.drafts(2048)))


LINES = "\n".join(json.dumps(part) for part in ({"messages": [USER]}, {"messages": [ANSWER]}))


@pytest.mark.parametrize(
    ("content", "conversations"),
    [
        ([USER, ANSWER], [[USER, ANSWER]]),
        (f"{json.dumps(USER)}\n{json.dumps(ANSWER)}\n", [[USER, ANSWER]]),
        ({"messages": [USER]}, [[USER]]),
        ({"messages": []}, [[]]),
        (LINES, [[USER], [ANSWER]]),
        ({"s": [USER], "t": []}, [[USER], []]),
        ({"messages": [USER], "role": "x"}, None),
        ([], []),
    ],
)
def test_a_file_is_its_conversations(tmp_path: Path, content: Any, conversations: Any) -> None:
    if conversations is None:
        with pytest.raises(ImportRefused, match="record 0, "):
            read(tmp_path, [content, 7])
        return
    runs = read(tmp_path, content)
    assert [messages_of(run) for run in runs] == conversations
    assert [run.index for run in runs] == [
        0 if isinstance(content, dict) else n for n in range(len(runs))
    ]


def test_a_run_begins_and_ends_and_says_what_it_was(tmp_path: Path) -> None:
    (named, other) = read(tmp_path, {"mine": [USER], "yours": [USER]})
    first, last = named.planned[0].event, named.planned[-1].event
    assert isinstance(first, SessionOpened)
    assert isinstance(last, SessionClosed)
    assert first.title == "chat mine"
    assert (first.meta["source"], first.meta["session"]) == ("openai-chat", "mine")
    assert named.session_id == f"openai-chat/{first.meta['sha256'][:12]}"
    assert named.session_id != other.session_id


def test_an_equal_conversation_is_the_same_run_wherever_it_stands(tmp_path: Path) -> None:
    (one,) = read(tmp_path, [USER, {"content": "hi", "role": "assistant"}])
    (other,) = read(tmp_path, {"messages": [USER, ANSWER]})
    refs = [[item.event.ref for item in run.drafts(2048)] for run in (one, other)]
    assert one.session_id == other.session_id
    assert refs[0] == refs[1]


def test_what_stands_beside_the_messages_is_kept_and_is_no_message(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    (run,) = read(tmp_path, {"messages": [USER], "tools": tools})
    rows = rows_of(run.drafts(2048))
    (header, beside), *_ = [row for row in rows if row[0]["type"] == "state"]
    assert beside == {"tools": tools}
    assert header["meta"]["tags"] == ["task"]
    assert chat_messages(rows) == [USER]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ([USER, 7], "record 0, messages[1]: is an object, not a number"),
        ([USER, {"content": "x"}], "record 0, messages[1].role: is missing"),
        ({"messages": [{}]}, "record 0, messages[0].role: is missing"),
        ([{"messages": []}, {"messages": 7}], "record 1, messages: is a list, not a number"),
        ([{"messages": []}, 7], "record 1: "),
        ([{"messages": []}, {"messages": [USER, {"role": ""}]}], "record 1, messages[1].role: is"),
        ({"s": [USER, {"role": "user", "content": 1}]}, "record 0, s[1].content: is text"),
    ],
)
def test_a_broken_conversation_is_refused_by_its_place(
    tmp_path: Path, content: Any, where: str
) -> None:
    with pytest.raises(ImportRefused) as refused:
        read(tmp_path, content)
    assert str(refused.value).startswith(f"{tmp_path / 'chat.json'}: {where}")


@pytest.mark.parametrize("content", [[{}], {"s": [7]}, {"s": 7}, [[]], [7], {"s": [{}]}])
def test_other_json_is_of_no_known_format(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ImportRefused, match="record 0: is not of a known format"):
        read(tmp_path, content)
