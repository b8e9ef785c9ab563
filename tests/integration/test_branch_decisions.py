"""Decisions about branches that others overtake: each is made again by what holds now.

And what a fork costs: one event of less than 1 KiB in two round trips, however long the branch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.applying import apply_all
from support.artifacts import artifacts
from support.consuming import publish
from support.interleaving import before_appends
from support.stores import open_store

from eventstore import commands
from eventstore.branch_views import BranchViews
from eventstore.branching import Branching
from eventstore.bus import EventBus
from eventstore.errors import BranchExists, NotCaughtUp, NotInHistory, RefConflict
from eventstore.events import BranchCheckedOut, BranchForked, BranchRewound
from eventstore.flow import Batch, Call, call
from eventstore.operations import Operations
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import PrivateServer

    from eventstore.flow import Flow
    from eventstore.store import EventStore


@pytest.fixture
def store(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    with open_store(server, namespace) as opened:
        yield opened


def branching(store: EventStore) -> Branching:
    parts = store.parts
    operations = Operations(parts.log, parts.appender, parts.payloads)
    return Branching(operations, BranchViews(operations))


def overtaken(store: EventStore, flow: Flow[object], *acts: Callable[[], object]) -> object:
    return store.runner.run(before_appends(flow, acts))


class TestRewind:
    def test_a_step_that_lands_between_is_hidden_too(self, store: EventStore) -> None:
        publish(store, "s", 8)
        flow = branching(store).rewind("s", 3, "main", None, None)
        overtaken(store, flow, lambda: publish(store, "s", 1))
        event = store.read("s")[-1].event
        assert isinstance(event, BranchRewound)
        assert (event.segments, event.own) == ((("main", 0, 3),), 9)

    def test_a_rewind_below_it_wins(self, store: EventStore) -> None:
        publish(store, "s", 8)
        bus = EventBus(store)
        flow = branching(store).rewind("s", 5, "main", None, None)
        with pytest.raises(NotInHistory, match="does not show step 5; it shows steps 0-2"):
            overtaken(store, flow, lambda: bus.rewind("s", to=2))
        assert len(store.read("s")) == 9


class TestFork:
    def test_the_parent_is_rewound_below_it(self, store: EventStore) -> None:
        publish(store, "s", 8)
        bus = EventBus(store)
        flow = branching(store).fork("s", 5, "b", "main", None, None, None)
        with pytest.raises(NotInHistory):
            overtaken(store, flow, lambda: bus.rewind("s", to=2))
        assert bus.fork("s", at=2, name="b") == "b"

    def test_the_parent_is_rewound_above_it(self, store: EventStore) -> None:
        publish(store, "s", 8)
        bus = EventBus(store)
        flow = branching(store).fork("s", 2, "b", "main", None, None, None)
        assert overtaken(store, flow, lambda: bus.rewind("s", to=5)) == "b"

    @pytest.mark.parametrize("by", ["fork", "publish"])
    def test_the_name_is_taken(self, store: EventStore, by: str) -> None:
        publish(store, "s", 3)
        bus = EventBus(store)
        header = {"session_id": "s", "agent_id": "a", "type": "state", "branch_id": "b"}

        def take() -> None:
            if by == "fork":
                bus.fork("s", at=0, name="b")
            else:
                bus.publish(header, {})

        flow = branching(store).fork("s", 1, "b", "main", None, None, None)
        with pytest.raises(BranchExists):
            overtaken(store, flow, take)
        assert len(store.read("s")) == 4

    def test_what_the_parent_appends_meanwhile_changes_nothing(self, store: EventStore) -> None:
        publish(store, "s", 3)
        appends: list[None] = []

        def append() -> None:
            appends.append(None)
            publish(store, "s", 1)

        flow = branching(store).fork("s", 1, "b", "main", None, None, None)
        overtaken(store, flow, append, append)
        assert len(appends) == 1, "the fork was not made again"

    def test_a_second_sending_under_its_ref_meets_the_first(self, store: EventStore) -> None:
        """The first was given up as lost, and arrives after the second has looked for it."""
        publish(store, "s", 8)
        bus = EventBus(store)
        ref = "0123456789abcdef" * 2
        flow = branching(store).fork("s", 2, "b", "main", None, ref, None)
        overtaken(store, flow, lambda: bus.fork("s", at=2, name="b", ref=ref))
        assert len(store.read("s")) == 9


def test_an_agent_that_is_checked_out_twice_at_once_has_one_order(store: EventStore) -> None:
    publish(store, "s", 2)
    bus = EventBus(store)
    bus.fork("s", at=0, name="b")
    flow = branching(store).checkout("s", "b", "a", None)
    overtaken(store, flow, lambda: bus.checkout("s", "main", agent_id="a"))
    found = [each for each in store.read("s") if isinstance(each.event, BranchCheckedOut)]
    assert [(each.index, each.event.branch_id) for each in found] == [(0, "main"), (1, "b")]


class TestPast:
    """Others' events count at a moment of the past, also before a projection has taken them in."""

    @pytest.fixture
    def reader(self, server: PrivateServer, namespace: str) -> Iterator[EventBus]:
        """A bus that appended nothing, and does not wait for long."""
        with open_store(server, namespace, read_timeout=0.01) as store:
            yield EventBus(store)

    def test_a_rewind_that_is_not_taken_in_yet(self, store: EventStore, reader: EventBus) -> None:
        publish(store, "s", 3)
        apply_all(store, PROJECTIONS)
        moment = EventBus(store).rewind("s", to=0).seq
        with pytest.raises(NotCaughtUp):
            reader.as_of("s", seq=moment)
        with pytest.raises(NotCaughtUp):
            reader.fork("s", at=2, name="b", as_of=moment)
        apply_all(store, PROJECTIONS)
        assert [header["step_idx"] for header, _ in reader.as_of("s", seq=moment)] == [0]
        with pytest.raises(NotInHistory):
            reader.fork("s", at=2, name="b", as_of=moment)
        assert len(store.read("s")) == 4

    def test_a_correction_that_is_not_taken_in_yet(
        self, store: EventStore, reader: EventBus
    ) -> None:
        (ref,) = publish(store, "s", 1)
        apply_all(store, PROJECTIONS)
        moment = EventBus(store).amend(ref, payload="right").seq
        apply_all(store, [each for each in PROJECTIONS if each.name != "index"])
        with pytest.raises(NotCaughtUp, match="index"):
            reader.as_of("s", seq=moment)
        apply_all(store, PROJECTIONS)
        assert [payload for _, payload in reader.as_of("s", seq=moment)] == ["right"]

    def test_a_fork_says_from_when_it_is(self, store: EventStore) -> None:
        publish(store, "s", 3)
        bus, ref = EventBus(store), "0123456789abcdef" * 2
        bus.rewind("s", to=0)
        apply_all(store, PROJECTIONS)
        assert bus.fork("s", at=2, name="b", as_of=2, ref=ref) == "b"
        event = store.read("s")[-1].event
        assert isinstance(event, BranchForked)
        assert event.as_of == 2
        with pytest.raises(RefConflict):
            bus.fork("s", at=2, name="b", ref=ref)


@pytest.mark.parametrize("length", [10, 2_000])
def test_a_fork_costs_the_same_however_long_the_branch(store: EventStore, length: int) -> None:
    for start in range(0, length, 500):
        store.append("s", artifacts("s", min(500, length - start)))
    flow = branching(store).fork("s", length - 1, "b", "main", None, None, None)
    exchanges: list[object] = []
    assert store.runner.run(noted(flow, exchanges)) == "b"
    assert [len(each.calls) if isinstance(each, Batch) else 1 for each in exchanges] == [1, 1]
    (recorded,) = store.read("s", backwards=True, limit=1)
    assert isinstance(recorded.event, BranchForked)
    keys = store.parts.log.keys_of("s")
    entries = commands.entries(keys, recorded.position, recorded.position, 1)
    ((_, values),) = store.reading(lambda: call(entries))
    assert sum(map(len, values)) < 1024


def noted(flow: Flow[object], exchanges: list[object]) -> Flow[object]:
    """Pass a flow's steps on, and note those that go to the server."""
    step = next(flow)
    while True:
        if isinstance(step, Call | Batch):
            exchanges.append(step)
        answer = yield step
        try:
            step = flow.send(answer)
        except StopIteration as end:
            return end.value
