"""The log: what an append promises, with 1 and 4 partitions and on a one-node cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.artifacts import artifact, artifacts, decision
from support.stores import open_store

from eventstore.chain import GENESIS, link
from eventstore.codec import decode_state
from eventstore.commands import session_state
from eventstore.drafts import MAX_BATCH_EVENTS
from eventstore.errors import Conflict, InvalidInput, InvalidName, RefConflict, RefOverlap
from eventstore.events import AgentRegistered, OverrideWritten, SessionTicked
from eventstore.flow import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventstore.drafts import Draft
    from eventstore.store import EventStore

SHAPES = [("server", 1), ("server", 4), ("cluster_server", 4)]


@pytest.fixture(params=SHAPES, ids=["1", "4", "cluster-4"])
def store(request: pytest.FixtureRequest, namespace: str) -> Iterator[EventStore]:
    fixture, partitions = request.param
    with open_store(request.getfixturevalue(fixture), namespace, partitions) as opened:
        yield opened


def everything(store: EventStore) -> dict[str, Any]:
    """Return what an append could have changed."""
    return {
        "heads": store.head(),
        "payloads": store.parts.payloads.usage(),
        "events": [store.read_all(head.partition) for head in store.head()],
    }


class TestNumbers:
    def test_a_batch_is_dense_in_position_seq_and_step(self, store: EventStore) -> None:
        before = sum(head.position for head in store.head())
        items = artifacts("s", 3)
        rows = store.append("s", items)
        assert [row.ref for row in rows] == [item.event.ref for item in items]
        assert [(row.seq, row.step_idx) for row in rows] == [(0, 0), (1, 1), (2, 2)]
        first = rows[0].position
        assert [row.position for row in rows] == [first, first + 1, first + 2]
        assert sum(head.position for head in store.head()) == before + 3
        assert [found.event for found in store.read("s")] == [item.event for item in items]

    def test_each_branch_counts_its_own_steps(self, store: EventStore) -> None:
        names = ["main", "x", "main", "x", "x"]
        rows = store.append("s", [artifact("s", branch_id=name) for name in names])
        assert [row.step_idx for row in rows] == [0, 0, 1, 1, 2]
        assert [row.seq for row in rows] == [0, 1, 2, 3, 4]

    def test_sessions_count_apart(self, store: EventStore) -> None:
        for name in ("s", "t", "s:log", "{s}", "s"):
            store.append(name, [artifact(name)])
        numbers = {name: [found.seq for found in store.read(name)] for name in ("s", "t", "s:log")}
        assert numbers == {"s": [0, 1], "t": [0], "s:log": [0]}

    def test_the_chain_of_the_script_is_the_chain_of_python(self, store: EventStore) -> None:
        for session in ("s", "t", "u"):
            store.append(session, artifacts(session, 4))
        for head in store.head():
            chain = GENESIS
            for found in store.read_all(head.partition):
                chain = link(chain, found.event.ref, found.digest)
                assert found.chain == chain
            assert head.chain == chain


class TestSentAgain:
    def test_the_same_batch_has_the_same_answer(self, store: EventStore) -> None:
        items = artifacts("s", 3)
        rows = store.append("s", items)
        store.append("s", artifacts("s", 2))
        before = everything(store)
        assert store.append("s", items) == rows
        assert store.append("s", items[1:2]) == rows[1:2]
        assert everything(store) == before

    def test_a_known_batch_wins_over_its_expectation(self, store: EventStore) -> None:
        items = artifacts("s", 1)
        rows = store.append("s", items, expect={"branch:main": 0})
        assert store.append("s", items, expect={"branch:main": 0}) == rows

    def test_what_the_store_fills_in_is_not_content(self, store: EventStore) -> None:
        ref = artifact("s").event.ref
        first = artifact("s", {"a": 1, "b": [2]}, ref=ref, meta={"x": 1, "y": 2})
        again = artifact("s", {"b": [2], "a": 1}, ref=ref, meta={"y": 2, "x": 1})
        assert store.append("s", [first]) == store.append("s", [again])

    @pytest.mark.parametrize(
        "change",
        [
            {"payload": 2},
            {"agent_id": "b"},
            {"branch_id": "x"},
            {"type": "metrics"},
            {"ts": "2026-01-01T00:00:00Z"},
            {"meta": {"x": 1}},
            {"parent_refs": ["0" * 32]},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_other_content_is_refused_and_changes_nothing(
        self, store: EventStore, change: dict[str, Any]
    ) -> None:
        known, other = artifact("s", 1), artifact("s", 1)
        store.append("s", [known, other])
        before = everything(store)
        changed = artifact("s", **{"payload": 1, "ref": known.event.ref, **change})
        with pytest.raises(RefConflict, match="stored with other content") as refused:
            store.append("s", [artifact("s"), changed, other])
        assert refused.value.refs == [known.event.ref]
        assert everything(store) == before

    def test_a_batch_that_is_half_known_is_completed(self, store: EventStore) -> None:
        a, b, c, d = artifacts("s", 4)
        first = store.append("s", [a, b])
        rows = store.append("s", [d, b, c, a])
        assert [row.ref for row in rows] == [item.event.ref for item in (d, b, c, a)]
        assert [rows[3], rows[1]] == first
        assert [found.event.ref for found in store.read("s")] == [
            item.event.ref for item in (a, b, d, c)
        ]

    def test_half_known_with_an_expectation_is_refused(self, store: EventStore) -> None:
        a, b = artifacts("s", 2)
        store.append("s", [a])
        before = everything(store)
        with pytest.raises(RefOverlap) as refused:
            store.append("s", [a, b], expect={"branch:main": 1})
        assert refused.value.refs == [a.event.ref]
        assert everything(store) == before


class TestExpectations:
    def test_an_expectation_that_holds_lets_the_append_through(self, store: EventStore) -> None:
        store.append("s", artifacts("s", 2), expect={"branch:main": 0, "agents": 0})
        (row,) = store.append("s", artifacts("s", 1), expect={"branch:main": 2})
        assert row.step_idx == 2

    def test_a_lane_that_moved_refuses_all(self, store: EventStore) -> None:
        store.append("s", artifacts("s", 2))
        before = everything(store)
        with pytest.raises(Conflict) as refused:
            store.append("s", artifacts("s", 3), expect={"agents": 0, "branch:main": 1})
        conflict = refused.value
        assert (conflict.lane, conflict.expected, conflict.actual) == ("branch:main", 1, 2)
        assert everything(store) == before

    def test_a_lane_that_was_only_read_counts_too(self, store: EventStore) -> None:
        store.append("s", [decision(AgentRegistered, "s", agents=("a", "b"))])
        tick = decision(SessionTicked, "s", tick=1, agents=("a",))
        with pytest.raises(Conflict) as refused:
            store.append("s", [tick], expect={"tick": 0, "agents": 0})
        assert (refused.value.lane, refused.value.actual) == ("agents", 1)
        store.append("s", [tick], expect={"tick": 0, "agents": 1})

    def test_a_lane_is_opened_at_its_start_once(self, store: EventStore) -> None:
        (row,) = store.append("s", [artifact("s", branch_id="b")], start={"branch:b": 5})
        assert row.step_idx == 5
        with pytest.raises(Conflict):
            store.append("s", [artifact("s")], start={"branch:b": 9})
        (row,) = store.append("s", [artifact("s", branch_id="b")])
        assert row.step_idx == 6

    def test_a_lane_state_is_kept_with_its_session(self, store: EventStore) -> None:
        item = decision(OverrideWritten, "s", patch={"k": 1}, effective={"k": 1}, locked=True)
        (row,) = store.append("s", [item])
        keys = store.parts.log.keys_of("s")
        state = store.reading(lambda: call(session_state(keys, "s")))
        position, _, head = state["head:override:a"].partition(b":")
        assert int(position) == row.position
        assert decode_state(head) == {"effective": {"k": 1}, "locked": True}


class TestLimits:
    @pytest.mark.parametrize(
        ("batch", "said"),
        [
            (list, "1 to 500 events, not 0"),
            (lambda: artifacts("s", MAX_BATCH_EVENTS + 1), "1 to 500 events, not 501"),
            (lambda: [artifact("s"), artifact("t")], "'t' is another"),
            (lambda: [artifact("s", ref="1" * 32), artifact("s", 2, ref="1" * 32)], "same ref"),
        ],
        ids=["empty", "many", "sessions", "refs"],
    )
    def test_a_batch_that_cannot_be_appended_is_refused(
        self, store: EventStore, batch: Callable[[], list[Draft]], said: str
    ) -> None:
        before = everything(store)
        with pytest.raises(InvalidInput, match=said):
            store.append("s", batch())
        assert everything(store) == before

    def test_the_largest_batch_is_appended(self, store: EventStore) -> None:
        rows = store.append("s", artifacts("s", MAX_BATCH_EVENTS))
        assert [row.seq for row in rows] == list(range(MAX_BATCH_EVENTS))

    @pytest.mark.parametrize("name", ["", "\ud800", 5, "x" * 1025])
    def test_a_session_has_a_name(self, store: EventStore, name: Any) -> None:
        with pytest.raises(InvalidName):
            store.append(name, [artifact("s")])
        with pytest.raises(InvalidName):
            store.read(name)
