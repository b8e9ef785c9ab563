"""The list of a session's effects, from its events: pairing, durations, a bound on memory."""

from __future__ import annotations

from typing import Any

from support.recording import START_MS, Recording

from eventstore.effect_log import EffectLog, EffectRow
from eventstore.times import from_milliseconds


def rows_of(log: Recording, limit: int = 100, pages: int = 1, **named: Any) -> list[EffectRow]:
    found = EffectLog(named.get("branch"), named.get("agent"), limit)
    for start in range(0, len(log.events), pages):
        found.add(log.events[start : start + pages])
    return found.rows


def call(log: Recording, name: str = "f", **header: Any) -> str:
    return log.artifact({"name": name}, type="tool_call", **header).event.ref


def result(log: Recording, **header: Any) -> str:
    return log.artifact(None, type="tool_result", **header).event.ref


def test_a_result_is_that_of_the_call_it_names_or_of_the_nearest_with_its_id() -> None:
    log = Recording()
    first = call(log, tool_call_id="c1")
    second = call(log, tool_call_id="c1")
    third = call(log, tool_call_id="c1", branch_id="b")
    by_id = result(log, tool_call_id="c1", status="ok", latency_ms=7.5)
    by_ref = result(log, tool_call_id="c1", parent_refs=[first])
    rows = {row.ref: row for row in rows_of(log)}
    assert (rows[second].result_ref, rows[second].status) == (by_id, "ok")
    assert (rows[second].duration_ms, rows[second].measured) == (7.5, False)
    assert (rows[first].result_ref, rows[first].status) == (by_ref, "answered")
    assert (rows[first].duration_ms, rows[first].measured) == (4000.0, True)
    assert (rows[third].result_ref, rows[third].status) == (None, "unanswered")


def test_a_result_that_was_stamped_with_its_call_has_no_duration() -> None:
    log = Recording()
    moment = from_milliseconds(START_MS)
    ref = call(log, ts=moment, defaulted=("ts",))
    result(log, parent_refs=[ref], ts=moment, defaulted=("ts",))
    (row,) = rows_of(log)
    assert (row.status, row.duration_ms, row.measured) == ("answered", None, False)


def test_a_second_result_changes_nothing() -> None:
    log = Recording()
    ref = call(log)
    answered = result(log, parent_refs=[ref])
    result(log, parent_refs=[ref], status="error")
    (row,) = rows_of(log)
    assert (row.result_ref, row.status) == (answered, "answered")


def test_memory_is_that_of_the_calls_that_are_returned() -> None:
    log = Recording()
    calls = [call(log, tool_call_id=f"c{n}") for n in range(30)]
    result(log, tool_call_id="c0")
    log_of_ten = EffectLog(None, None, 10)
    log_of_ten.add(log.events)
    assert [row.ref for row in log_of_ten.rows] == calls[-10:]
    assert log_of_ten.held == 10
    result(log, parent_refs=[calls[-1]])
    log_of_ten.add(log.events[-1:])
    assert log_of_ten.held == 9


def test_what_others_wrote_where_effects_describe_themselves_is_none_of_ours() -> None:
    log = Recording()
    for said in ("text", {"key": 1, "policy": [], "attempt": True, "penalty": "much"}, {}):
        call(log, meta={"effect": said})
    log.artifact(None, type="duplicate_call", meta={"effect": {"of": ["x"]}})
    for row in rows_of(log):
        assert (row.key, row.policy, row.attempt, row.penalty) == (None, None, None, None)
        assert row.duplicates == 0
