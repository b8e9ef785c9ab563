"""Whatever a file holds: it is refused by its place, or imported with nothing lost."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from support.recorded import rows_of
from support.tau_data import eight_records

from consumers.exporting.chat import chat_messages
from consumers.importing import tau_bench
from consumers.importing.json_file import parse_json_records
from eventstore.errors import ImportRefused

if TYPE_CHECKING:
    from consumers.importing.runs import Run

RECORDS = sorted(eight_records(), key=lambda record: len(json.dumps(record)))[:4]
WORDS = [
    "role", "content", "tool_calls", "function_call", "function", "name", "id", "arguments", "type",
    "tool_call_id", "assistant", "tool", "user", "task_id", "trial", "reward", "info", "task",
    "reward_info", "r_actions", "user_cost", "error", "traj", "Error", "",
]  # fmt: skip

PLACE = re.compile(r"byte \d+$|record \d+($|, .)")

texts = st.one_of(st.sampled_from([*WORDS, "[" * 300, "x" * 1100]), st.text(max_size=5))
numbers = st.one_of(
    st.integers(-2, 3), st.integers(), st.sampled_from([2**64, -(10**400)]), st.floats()
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)

MOSTLY = st.sampled_from([True] * 5 + [False])
ids = st.sampled_from([None, "", "a", "b"])
names = st.sampled_from(["find", "book"])
contents = st.one_of(
    texts, st.none(), st.lists(values, max_size=2), values.map(json.dumps),
    values.map(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))),
)  # fmt: skip
calls = st.fixed_dictionaries(
    {"function": st.fixed_dictionaries({"name": names}, optional={"arguments": texts})},
    optional={"id": ids, "type": st.just("function")},
)
extras = {"annotations": values, "refusal": st.none()}
messages = st.one_of(
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": contents},
        optional={"tool_calls": st.none() | st.lists(calls, max_size=3), **extras},
    ),
    st.fixed_dictionaries(
        {"role": st.sampled_from(["tool", "function"]), "content": contents},
        optional={"tool_call_id": ids, "name": st.none() | names, **extras},
    ),
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system", "narrator"])},
        optional={"content": contents, **extras},
    ),
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A recorded run with up to three of its parts, at any depth, replaced or removed."""
    record = copy.deepcopy(draw(st.sampled_from(RECORDS)))
    for _ in range(draw(st.integers(1, 3))):
        parent: Any = record
        while isinstance(parent, (dict, list)) and parent:
            key = draw(
                st.sampled_from(list(parent) if isinstance(parent, dict) else range(len(parent)))
            )
            deeper = isinstance(parent[key], (dict, list)) and parent[key] and draw(MOSTLY)
            if deeper:
                parent = parent[key]
                continue
            if draw(st.booleans()):
                parent[key] = draw(values)
            else:
                del parent[key]
            break
    return record


def check(data: bytes) -> None:
    """Import a file of records, or see it refused at a place."""
    try:
        file = parse_json_records("f", data)
        runs = tau_bench.plan_runs(file)
    except ImportRefused as error:
        refused = error
    else:
        check_nothing_lost(json.loads(data), runs)
        return
    assert PLACE.match(refused.where)


def check_nothing_lost(records: Any, runs: list[Run]) -> None:
    """Put the records together again; a file of one object is one record."""
    for record, run in zip(records if isinstance(records, list) else [records], runs, strict=True):
        drafts = run.drafts(2048)
        assert [draft.digest for draft in drafts] == [draft.digest for draft in run.drafts(0)]
        rows = rows_of(drafts)
        assert chat_messages(rows) == record["traj"]
        assert whole_record(rows) == record


def whole_record(rows: list[tuple[dict[str, Any], Any]]) -> dict[str, Any]:
    """Put a record together again from its session."""
    [evaluation] = [payload for header, payload in rows if header["type"] == "evaluation"]
    record: dict[str, Any] = {**evaluation["record"], "traj": chat_messages(rows)}
    tasks = [payload for header, payload in rows if header["meta"].get("state_cls") == "Task"]
    if tasks:
        record["info"] = {**record["info"], "task": tasks[0]}
    return record


@given(mutated())
def test_a_mutated_run_is_refused_or_nothing_of_it_is_lost(record: Any) -> None:
    check(json.dumps([record]).encode())


@given(st.lists(messages, max_size=8))
def test_any_conversation_comes_back(traj: list[Any]) -> None:
    record = {**RECORDS[0], "traj": traj}
    check(json.dumps([record]).encode())


@given(st.lists(values, max_size=3))
def test_any_json_is_refused_or_imported(records: list[Any]) -> None:
    check(json.dumps(records).encode())


@given(st.binary(max_size=60), st.integers(0, 2**20), st.sampled_from(RECORDS))
def test_any_bytes_in_any_place_are_refused_or_imported(
    noise: bytes, position: int, record: Any
) -> None:
    data = json.dumps([record]).encode()
    at = position % (len(data) + 1)
    check(data[:at] + noise + data[at + len(noise) :])
    check(noise)
