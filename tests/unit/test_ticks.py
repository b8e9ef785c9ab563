"""The barrier that a tick is, folded from events: started, acknowledged, finished, given up."""

from __future__ import annotations

from support.recording import Recording

from eventstore.events import (
    AgentFinished,
    AgentRegistered,
    AgentUnregistered,
    SessionClosed,
    SessionOpened,
    SessionTicked,
    TickAcked,
    TickStalled,
)
from eventstore.ticks import Barrier, Roster, ack_ref, fold_ticks


class Story(Recording):
    """What happens to the ticks of a session, by few words."""

    def register(self, *agents: str) -> None:
        for n, agent in enumerate(agents, start=1):
            self.add(AgentRegistered, agent_id=agent, agents=agents[:n])

    def tick(self, number: int, *agents: str) -> None:
        self.add(SessionTicked, tick=number, agents=agents)

    def ack(self, number: int, agent: str) -> None:
        self.add(TickAcked, tick=number, agent_id=agent)

    @property
    def barrier(self) -> Barrier:
        return fold_ticks(each.event for each in self)


def test_before_the_first_tick() -> None:
    story = Story()
    assert story.barrier == Barrier()
    story.register("a", "b")
    barrier = story.barrier
    assert (barrier.tick, barrier.live, barrier.is_over) == (0, ("a", "b"), True)


def test_a_tick_waits_for_each_agent_that_it_names() -> None:
    story = Story()
    story.register("a", "b")
    story.tick(1, "a", "b")
    assert list(story.barrier.waiting) == ["a", "b"]
    story.ack(1, "b")
    assert (list(story.barrier.acked), list(story.barrier.waiting)) == (["b"], ["a"])
    story.ack(1, "a")
    assert story.barrier.is_over
    story.tick(2, "a", "b")
    assert story.barrier.waiting == ("a", "b")


def test_late_and_strange_acks_count_for_nothing() -> None:
    story = Story()
    story.register("a", "b")
    story.tick(1, "a")
    story.ack(1, "b")
    story.tick(2, "a")
    story.ack(1, "a")
    assert (story.barrier.acked, story.barrier.waiting) == ((), ("a",))


def test_who_finishes_or_leaves_is_waited_for_no_more() -> None:
    story = Story()
    story.register("a", "b", "c")
    story.tick(1, "a", "b", "c")
    story.add(AgentFinished, agent_id="a", agents=("a", "b", "c"), finished=("a",))
    story.add(AgentUnregistered, agent_id="b", agents=("a", "c"), finished=("a",))
    barrier = story.barrier
    assert (barrier.gone, barrier.waiting, barrier.live) == (("a", "b"), ("c",), ("c",))


def test_a_tick_that_is_given_up_waits_for_nobody() -> None:
    story = Story()
    story.register("a", "b")
    story.tick(1, "a", "b")
    story.ack(1, "a")
    story.add(TickStalled, tick=1, agents=("a", "b"), stalled=("b",))
    barrier = story.barrier
    assert (barrier.stalled, barrier.acked, barrier.is_over) == (("b",), ("a",), True)
    story.tick(2, "a", "b")
    assert (story.barrier.stalled, story.barrier.waiting) == (None, ("a", "b"))


def test_a_session_is_open_until_it_is_closed() -> None:
    story = Story()
    states = [story.barrier.is_open]
    for kind in (SessionClosed, SessionOpened):
        story.add(kind)
        states.append(story.barrier.is_open)
    assert states == [True, False, True]


def test_a_roster() -> None:
    roster = Roster().with_agent("a").with_agent("b").with_agent("a")
    assert roster == Roster(("a", "b"))
    roster = roster.with_finished("a")
    assert (roster.live, roster.finished) == (("b",), ("a",))
    assert roster.with_agent("a") == Roster(("a", "b"))
    assert roster.without_agent("a") == Roster(("b",))
    assert roster.without_agent("nobody") == roster


def test_an_ack_has_one_ref() -> None:
    assert ack_ref("s", 1, "a") == ack_ref("s", 1, "a")
    others = {("s", 2, "a"), ("s", 1, "b"), ("t", 1, "a"), ("s1", 1, "a"), ("s", 11, "a")}
    assert len({ack_ref(*each) for each in others} | {ack_ref("s", 1, "a")}) == 6
