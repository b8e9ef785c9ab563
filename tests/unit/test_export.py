"""A session's chat messages: those of the source for an import, sensible ones for one's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.recorded import rows_of
from support.tau_data import EIGHT_RUNS, records_of

from consumers.exporting.chat import chat_messages, is_message_part
from consumers.importing.detect import read_runs
from eventstore.errors import ExportRefused
from eventstore.headers import build_artifact

Rows = list[tuple[dict[str, Any], Any]]


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def published(*items: tuple[dict[str, Any], Any]) -> Rows:
    """Rows of artifacts of one's own; `parent` is the number of the row before it that is meant."""
    drafts: list[Any] = []
    for fields, payload in items:
        header = {"session_id": "demo", "agent_id": "planner", **fields}
        if "parent" in header:
            header["parent_refs"] = [drafts[header.pop("parent")].event.ref]
        drafts.append(build_artifact(header, payload, {}, 2048))
    return rows_of(drafts)


def call_message(*calls: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in calls
        ],
    }


def test_an_imported_session_gives_the_source_messages_back() -> None:
    for record, run in zip(records_of(EIGHT_RUNS), read_runs(EIGHT_RUNS), strict=True):
        exported = chat_messages(rows_of(run.drafts(2048)))
        assert canonical(exported) == canonical(record["traj"])


def test_payloads_of_other_events_need_not_be_read() -> None:
    for record, run in zip(records_of(EIGHT_RUNS), read_runs(EIGHT_RUNS), strict=True):
        rows = rows_of(run.drafts(2048))
        read = [(h, payload if is_message_part(h) else None) for h, payload in rows]
        assert chat_messages(read) == record["traj"]
        assert sum(is_message_part(header) for header, _ in rows) < len(rows)


def test_a_session_without_messages_has_none() -> None:
    assert chat_messages([]) == []
    assert chat_messages(published(({"type": "metrics"}, {"cost_usd": 1.0}))) == []


def test_the_run_of_the_readme() -> None:
    call = {"name": "get_weather", "arguments": {"city": "Oslo"}}
    rows = published(
        ({"type": "tool_call"}, call),
        ({"type": "tool_result", "parent": 0}, {"temp_c": -3}),
    )
    ref = rows[0][0]["ref"]
    assert chat_messages(rows) == [
        call_message((ref, "get_weather", '{"city": "Oslo"}')),
        {"role": "tool", "tool_call_id": ref, "name": "get_weather", "content": '{"temp_c": -3}'},
    ]


def test_a_state_with_a_role_is_the_message() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "é"}], "name": "mia"}
    assert chat_messages(published(({"type": "state"}, message))) == [message]


@pytest.mark.parametrize(
    ("payload", "content"),
    [("thinking", "thinking"), ({"plan": ["é"]}, '{"plan": ["é"]}'), ({"role": 7}, '{"role": 7}')],
)
def test_another_state_is_what_the_agent_said(payload: Any, content: str) -> None:
    expected = {"role": "assistant", "name": "planner", "content": content}
    assert chat_messages(published(({"type": "state"}, payload))) == [expected]


def test_calls_in_a_row_share_a_message_until_another_agent_or_answer() -> None:
    rows = published(
        ({"type": "tool_call", "tool_call_id": "a"}, {"name": "f", "arguments": {}}),
        ({"type": "tool_call", "tool_call_id": "b"}, {"name": "g", "arguments": {}}),
        ({"type": "tool_result", "parent": 0}, "1"),
        ({"type": "tool_result", "parent": 1}, "2"),
        ({"type": "tool_call", "tool_call_id": "c"}, {"name": "h", "arguments_raw": "{ }"}),
        ({"type": "tool_call", "tool_call_id": "d", "agent_id": "other"}, "free text"),
    )
    messages = chat_messages(rows)
    assert [message["role"] for message in messages] == [
        "assistant", "tool", "tool", "assistant", "assistant",
    ]  # fmt: skip
    assert messages[0] == call_message(("a", "f", "{}"), ("b", "g", "{}"))
    assert [m["tool_call_id"] for m in messages[1:3]] == ["a", "b"]
    assert messages[3] == call_message(("c", "h", "{ }"))
    assert messages[4] == call_message(("d", "tool", '"free text"'))


def test_a_call_that_its_message_has_is_not_given_twice() -> None:
    message = {**call_message(("a", "f", "{}")), "content": "let me look"}
    rows = published(
        ({"type": "state"}, message),
        ({"type": "tool_call", "parent": 0, "tool_call_id": "a"}, {"name": "f", "arguments": {}}),
        ({"type": "tool_result", "parent": 1}, "found"),
    )
    answer = {"role": "tool", "tool_call_id": "a", "name": "f", "content": "found"}
    assert chat_messages(rows) == [message, answer]


def test_a_call_below_a_message_without_it_is_given() -> None:
    rows = published(
        ({"type": "state"}, {"role": "user", "content": "look"}),
        ({"type": "tool_call", "parent": 0, "tool_call_id": "a"}, {"name": "f", "arguments": {}}),
    )
    assert chat_messages(rows)[1] == call_message(("a", "f", "{}"))


def test_a_result_without_a_call_is_known_by_its_own_ref() -> None:
    rows = published(({"type": "tool_result"}, "found"))
    [message] = chat_messages(rows)
    assert message["tool_call_id"] == rows[0][0]["ref"]


@pytest.mark.parametrize("type_", ["state", "tool_call", "tool_result"])
def test_bytes_are_refused_with_the_event(type_: str) -> None:
    rows = published(({"type": "state"}, "fine"), ({"type": type_}, b"\x00"))
    with pytest.raises(ExportRefused, match="its payload is bytes") as caught:
        chat_messages(rows)
    assert caught.value.ref == rows[1][0]["ref"]


@pytest.mark.parametrize(
    "meta", [7, {"text": {"style": "unheard of"}}, {"whole": True}, {"unheard": "of"}]
)
def test_meta_that_no_import_writes_is_refused_with_the_event(meta: Any) -> None:
    rows = published(({"type": "tool_result", "meta": {"chat_message": meta}}, "text"))
    with pytest.raises(ExportRefused, match=r"meta\.chat_message"):
        chat_messages(rows)
