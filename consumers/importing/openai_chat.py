"""Conversations in OpenAI's chat format: one run a conversation, one session a run.

A file holds one conversation as its list of messages; or objects with `messages`, in an array or
one a line, as for fine-tuning; or one object, session to messages, as `eventstore export --all`
writes it. What each becomes:

    start               session opened: meta source, sha256 of the conversation, its session's name
    beside `messages`   state, tagged "task": whatever else the object holds, tools for example
    a message           as in `consumers.importing.chat`
    end                 session closed

The session is `openai-chat/<first 12 of the sha256>`. The sha256 is of the conversation as
canonical JSON, so an equal one in another file is the same session and adds nothing. It never is
the session that was exported: that one may be in the store, with more than its messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consumers.importing.chat import plan_messages
from consumers.importing.runs import Plan, Run
from consumers.importing.shapes import list_at, object_at
from eventstore.errors import InvalidEvent
from eventstore.events import SessionClosed, SessionOpened
from eventstore.payloads import encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumers.importing.json_file import JsonFile

SOURCE: Final = "openai-chat"
_AGENT: Final = "import.openai_chat"
_DIGEST_DIGITS: Final = 12
_TITLE_LENGTH: Final = 200


class _Conversation(NamedTuple):
    """A list of messages; `within` is where it stands, `beside` what stands beside it."""

    messages: list[Any]
    within: str
    name: str | None
    beside: dict[str, Any]


def looks_like_chat(record: object) -> bool:
    """Return whether a record is a message, or an object with lists of messages."""
    if not isinstance(record, dict):
        return False
    if "role" in record or isinstance(record.get("messages"), list):
        return True
    lists = list(record.values())
    return bool(lists) and all(
        isinstance(part, list) and all(isinstance(m, dict) and "role" in m for m in part[:1])
        for part in lists
    )


def plan_runs(file: JsonFile) -> list[Run]:
    """Return the runs of a file; raises `ImportRefused` at the first record that is broken."""
    runs: list[Run] = []
    first = file.records[0]
    if isinstance(first, dict) and "role" in first:
        return [_plan(file, 0, _Conversation(file.records, "messages", None, {}))]
    for index, record in enumerate(file.records):
        try:
            conversations = list(_conversations(record))
        except InvalidEvent as error:
            raise file.refused(index, error.field, error.problem) from None
        runs += [_plan(file, index, each) for each in conversations]
    return runs


def _conversations(record: object) -> Iterator[_Conversation]:
    fields = object_at(record, "")
    if "messages" in fields:
        beside = {name: value for name, value in fields.items() if name != "messages"}
        yield _Conversation(list_at(fields["messages"], "messages"), "messages", None, beside)
        return
    for name, messages in fields.items():
        yield _Conversation(list_at(messages, name), name, name, {})


def _plan(file: JsonFile, index: int, given: _Conversation) -> Run:
    whole = {**given.beside, "messages": given.messages}
    if given.name is not None:
        whole["session"] = given.name
    digest = encode_payload(whole, "json", compress_above=0).info.sha256
    session_id = f"{SOURCE}/{digest[:_DIGEST_DIGITS]}"
    plan = Plan(SOURCE, digest, {"session_id": session_id, "agent_id": _AGENT})
    meta = {"source": SOURCE, "sha256": digest}
    if given.name is not None:
        meta["session"] = given.name[:_TITLE_LENGTH]
    plan.add(SessionOpened, title=f"chat {meta.get('session', digest[:_DIGEST_DIGITS])}", meta=meta)
    if given.beside:
        plan.publish(
            "state",
            given.beside,
            mime="application/json",
            meta={"state_cls": "Task", "tags": ["task"]},
        )
    try:
        plan_messages(plan, given.messages, given.within)
    except InvalidEvent as error:
        raise file.refused(index, error.field, error.problem) from None
    plan.add(SessionClosed)
    return Run(index, session_id, None, tuple(plan.planned))
