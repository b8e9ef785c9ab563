"""A trace shows every event once, causes first, with durations that are recorded or measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from support.recording import START_MS, Recording

from eventstore.events import EvaluationCompleted, EvaluationRequested
from eventstore.refs import derived_ref
from eventstore.times import from_milliseconds
from eventstore.tracing import shown_duration, trace

if TYPE_CHECKING:
    from eventstore.tracing import Interaction


def at(milliseconds: int) -> str:
    return from_milliseconds(START_MS + milliseconds)


def by_type(log: Recording) -> dict[str, Interaction]:
    return {row.type: row for row in trace(log.events)}


def test_without_causes_the_order_is_that_of_the_log() -> None:
    log = Recording()
    for _ in range(5):
        log.artifact()
    assert [row.seq for row in trace(log.events)] == [0, 1, 2, 3, 4]


def test_a_cause_comes_first_though_it_was_appended_later() -> None:
    log = Recording()
    late = derived_ref("late")
    first = log.artifact(parent_refs=[late])
    second = log.artifact()
    log.artifact(ref=late)
    rows = trace(log.events)
    assert [row.ref for row in rows] == [second.event.ref, late, first.event.ref]
    assert rows[-1].causes == (late,)


def test_events_that_name_each_other_are_shown_all_the_same() -> None:
    log = Recording()
    a, b = derived_ref("a"), derived_ref("b")
    log.artifact(ref=a, parent_refs=[b, a])
    log.artifact(ref=b, parent_refs=[a])
    rows = trace(log.events)
    assert [(row.ref, row.causes) for row in rows] == [(a, ()), (b, (a,))]


def test_a_ref_of_another_session_is_no_cause() -> None:
    log = Recording()
    log.artifact(parent_refs=[derived_ref("elsewhere")])
    assert trace(log.events)[0].causes == ()


def test_what_belongs_to_a_turn_stands_below_it() -> None:
    log = Recording()
    turn = log.artifact()
    call = log.artifact({"name": "search"}, type="tool_call", parent_refs=[turn.event.ref])
    log.artifact({"found": 1}, type="tool_result", parent_refs=[call.event.ref])
    log.artifact(parent_refs=[turn.event.ref])
    assert [(row.type, row.depth) for row in trace(log.events)] == [
        ("state", 0),
        ("tool_call", 1),
        ("tool_result", 2),
        ("state", 0),
    ]
    assert by_type(log)["tool_call"].what == "search"


def test_durations_are_recorded_or_measured_or_unknown() -> None:
    log = Recording()
    turn = log.artifact(latency_ms=12.5, ts=at(0))
    call = log.artifact({"name": "t"}, type="tool_call", parent_refs=[turn.event.ref], ts=at(100))
    log.artifact({}, type="tool_result", parent_refs=[call.event.ref], ts=at(350))
    rows = by_type(log)
    assert (rows["state"].duration_ms, rows["state"].measured) == (12.5, False)
    assert rows["tool_call"].duration_ms is None
    assert (rows["tool_result"].duration_ms, rows["tool_result"].measured) == (250.0, True)


def test_clocks_that_disagree_give_no_duration() -> None:
    log = Recording()
    call = log.artifact({"name": "t"}, type="tool_call", ts=at(500))
    log.artifact({}, type="tool_result", parent_refs=[call.event.ref], ts=at(400))
    assert by_type(log)["tool_result"].duration_ms is None


def test_what_was_stamped_at_once_has_no_duration() -> None:
    log = Recording()
    call = log.artifact({"name": "t"}, type="tool_call", ts=at(0), defaulted=("ts",))
    log.artifact({}, type="tool_result", parent_refs=[call.event.ref], ts=at(0), defaulted=("ts",))
    assert by_type(log)["tool_result"].duration_ms is None
    assert by_type(log)["tool_result"].measured is False
    log.artifact({}, type="tool_result", parent_refs=[call.event.ref], ts=at(0))
    said = trace(log.events)[-1]
    assert (said.duration_ms, said.measured) == (0.0, True)


def test_durations_as_people_read_them() -> None:
    shown = [shown_duration(ms, False) for ms in (None, 0.4, 250.4, 9999, 10_000, 3_600_000)]
    assert shown == [None, "0.4 ms", "250 ms", "9999 ms", "10.0 s", "3,600.0 s"]
    assert shown_duration(250, True) == "~250 ms"
    assert shown_duration(None, True) is None


def test_an_evaluation_takes_the_time_from_its_request() -> None:
    log = Recording()
    judged = log.artifact(ts=at(0)).event.ref
    asked = log.add(EvaluationRequested, target=judged, evaluator_id="e", ts=at(1000)).event.ref
    log.add(
        EvaluationCompleted, request=asked, target=judged, evaluator_id="e", score=1.0, ts=at(1600)
    )
    rows = by_type(log)
    done = rows["evaluation.completed"]
    assert (done.causes, done.duration_ms, done.measured) == ((judged, asked), 600.0, True)
    assert (rows["evaluation.requested"].depth, done.depth) == (1, 2)


@given(st.data())
def test_every_event_once_and_every_cause_before_its_effect(data: Any) -> None:
    refs = [derived_ref("event", str(number)) for number in range(data.draw(st.integers(0, 12)))]
    log = Recording()
    # Only to refs of a lower rank, in an order of appends that knows nothing of ranks.
    for rank in data.draw(st.permutations(range(len(refs)))):
        causes = data.draw(st.lists(st.sampled_from(refs[:rank]), unique=True)) if rank else []
        log.artifact(ref=refs[rank], parent_refs=causes)
    rows = trace(log.events)
    place = {row.ref: number for number, row in enumerate(rows)}
    assert sorted(place) == sorted(refs)
    for each in log.events:
        assert all(place[cause] < place[each.event.ref] for cause in each.event.parent_refs)
