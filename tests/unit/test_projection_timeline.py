"""The timeline: every artifact in its sorted sets, by event time, then by position."""

from __future__ import annotations

from support.folding import KEYS, fold, members
from support.recording import START_MS, Recording

from eventstore.events import BranchForked, EvaluationRequested, SessionClosed, UnknownEvent
from eventstore.times import from_milliseconds
from projections.timeline import Timeline, member_of


def test_an_artifact_is_in_the_sets_of_its_type_agent_branch_and_tags() -> None:
    log = Recording()
    published = log.artifact(
        type="tool_call", agent_id="planner", branch_id="b", meta={"tags": ["x", "tool_call", "x"]}
    )
    expected = [(f"{1:016x}:{published.event.ref}", float(START_MS))]
    memory = fold(Timeline(), log)
    places = {
        KEYS.timeline("s"),
        KEYS.type("s", "tool_call"),
        KEYS.agent("s", "planner"),
        KEYS.on_branch("s", "b"),
        KEYS.tag("s", "x"),
        KEYS.tag("s", "tool_call"),
    }
    assert memory.keys.keys() == places
    assert all(members(memory, key) == expected for key in places)


def test_event_time_orders_and_not_the_order_of_arrival() -> None:
    log = Recording()
    late = log.artifact(ts=from_milliseconds(START_MS + 5))
    early = log.artifact(ts=from_milliseconds(START_MS - 5))
    found = members(fold(Timeline(), log), KEYS.timeline("s"))
    assert [member for member, _ in found] == [member_of(early), member_of(late)]


def test_artifacts_of_one_millisecond_keep_the_order_of_the_log() -> None:
    log = Recording()
    # Refs fall while positions rise, and positions pass from one hex digit to two.
    published = [
        log.artifact(ref=f"{1000 - n:032x}", ts=from_milliseconds(START_MS)) for n in range(40)
    ]
    found = members(fold(Timeline(), log), KEYS.timeline("s"))
    assert [member for member, _ in found] == [member_of(each) for each in published]


def test_times_before_1970_have_negative_scores() -> None:
    log = Recording()
    log.artifact(ts="1969-12-31T23:59:59.999Z")
    assert members(fold(Timeline(), log), KEYS.timeline("s"))[0][1] == -1.0


def test_names_with_colons_do_not_meet() -> None:
    log = Recording()
    log.artifact(type="a", meta={"tags": ["b:c"]})
    log.artifact(session_id="s:tag", type="b:c")
    memory = fold(Timeline(), log)
    assert len(members(memory, KEYS.tag("s", "b:c"))) == 1
    assert len(members(memory, KEYS.tag("s:tag", "b:c"))) == 1


def test_other_events_have_no_place_on_the_timeline() -> None:
    log = Recording()
    log.add(EvaluationRequested, target="f" * 32, evaluator_id="e")
    log.add(BranchForked, branch_id="b", parent="main", at=0, segments=(("main", 0, 0),), own=1)
    log.add(SessionClosed)
    log.add(UnknownEvent, unknown_kind="x", fields={}, own_lane="l")
    assert fold(Timeline(), log).keys == {}
