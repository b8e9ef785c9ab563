"""Random appends to a real server, right and wrong, against a model of a few dicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from support.artifacts import artifact
from support.stores import open_store

from eventstore.chain import GENESIS, link
from eventstore.errors import Conflict, RefConflict, RefOverlap

if TYPE_CHECKING:
    from support.server import PrivateServer

    from eventstore.commands import Appended
    from eventstore.drafts import Draft
    from eventstore.store import EventStore

SESSIONS: Final = ("s", "s:log")
LANES: Final = ("branch:main", "branch:x", "agents")
Known = tuple[int, int, int]


class Model:
    """What a log of one partition must be."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Draft]] = []
        self.known: dict[str, Known] = {}
        self.lanes: dict[tuple[str, str], int] = {}
        self.chain = GENESIS

    def seq(self, session: str) -> int:
        return sum(1 for owner, _ in self.events if owner == session)

    def append(self, session: str, items: list[Draft]) -> None:
        for item in items:
            lane = (session, item.event.lane)
            index = self.lanes.get(lane, 0)
            seq = self.seq(session)
            self.events.append((session, item))
            self.known[item.event.ref] = (len(self.events), seq, index)
            self.lanes[lane] = index + 1
            self.chain = link(self.chain, item.event.ref, item.digest.hex())


class LogMachine(RuleBasedStateMachine):
    """Appends of new, known, half known and changed events, with expectations of all sorts."""

    store: EventStore

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    @rule(
        session=st.sampled_from(SESSIONS),
        branches=st.lists(st.sampled_from(["main", "x"]), min_size=1, max_size=4),
        right=st.lists(st.sampled_from(LANES), max_size=2, unique=True),
    )
    def append_new(self, session: str, branches: list[str], right: list[str]) -> None:
        items = [artifact(session, n, branch_id=name) for n, name in enumerate(branches)]
        expect = {lane: self.model.lanes.get((session, lane), 0) for lane in right}
        rows = self.store.append(session, items, expect=expect)
        self.model.append(session, items)
        self._check(items, rows)

    @rule(
        session=st.sampled_from(SESSIONS),
        lane=st.sampled_from(LANES),
        off=st.sampled_from([-1, 1, 5]),
    )
    def append_on_a_wrong_expectation(self, session: str, lane: str, off: int) -> None:
        actual = self.model.lanes.get((session, lane), 0)
        if actual + off < 0:
            return
        with pytest.raises(Conflict) as refused:
            self.store.append(session, [artifact(session)], expect={lane: actual + off})
        assert (refused.value.lane, refused.value.actual) == (lane, actual)

    @rule(data=st.data(), fresh=st.integers(0, 2), expecting=st.booleans())
    def append_known(self, data: st.DataObject, fresh: int, expecting: bool) -> None:
        """Send known events again, with new ones among them or not, in any order."""
        if not self.model.events:
            return
        session = data.draw(st.sampled_from([owner for owner, _ in self.model.events]))
        held = [item for owner, item in self.model.events if owner == session]
        old = data.draw(st.lists(st.sampled_from(held), min_size=1, max_size=4, unique_by=id))
        new = [artifact(session, n) for n in range(fresh)]
        items = data.draw(st.permutations(old + new))
        expect = {"branch:main": 99} if expecting else {}
        if new and expecting:
            with pytest.raises(RefOverlap) as refused:
                self.store.append(session, items, expect=expect)
            assert set(refused.value.refs) == {item.event.ref for item in old}
            return
        rows = self.store.append(session, items, expect=expect)
        self.model.append(session, [item for item in items if item in new])
        self._check(items, rows)

    @rule(data=st.data())
    def append_changed(self, data: st.DataObject) -> None:
        if not self.model.events:
            return
        session, item = data.draw(st.sampled_from(self.model.events))
        changed = artifact(session, "changed", ref=item.event.ref)
        with pytest.raises(RefConflict):
            self.store.append(session, [artifact(session), changed], expect={"branch:main": 77})

    @rule(session=st.sampled_from(SESSIONS), at=st.integers(1, 9))
    def open_a_lane(self, session: str, at: int) -> None:
        item = artifact(session, branch_id="started")
        lane = (session, item.event.lane)
        if lane in self.model.lanes:
            with pytest.raises(Conflict):
                self.store.append(session, [item], start={item.event.lane: at})
            return
        rows = self.store.append(session, [item], start={item.event.lane: at})
        self.model.lanes[lane] = at
        self.model.append(session, [item])
        self._check([item], rows)

    @invariant()
    def the_log_is_the_model(self) -> None:
        log = self.store.read_all(0)
        assert [found.event for found in log] == [item.event for _, item in self.model.events]
        for found in log:
            numbers = (found.position, found.seq, found.index)
            assert numbers == self.model.known[found.event.ref]
        (head,) = self.store.head()
        assert (head.position, head.chain) == (len(self.model.events), self.model.chain)
        for session in SESSIONS:
            of_session = [item.event for owner, item in self.model.events if owner == session]
            assert [found.event for found in self.store.read(session)] == of_session

    def _check(self, items: list[Draft], rows: list[Appended]) -> None:
        answers = [(row.ref, (row.position, row.seq, row.step_idx)) for row in rows]
        assert answers == [(item.event.ref, self.model.known[item.event.ref]) for item in items]

    def teardown(self) -> None:
        self.store.close()


def test_the_log_is_what_a_model_says(server: PrivateServer) -> None:
    class OnServer(LogMachine):
        def __init__(self) -> None:
            super().__init__()
            self.store = open_store(server, f"m{uuid4().hex}")

    run_state_machine_as_test(
        OnServer, settings=settings(max_examples=30, stateful_step_count=20, deadline=None)
    )
