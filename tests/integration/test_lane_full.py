"""Lanes whose state is at its limit: what would enlarge it is refused, and the remedy is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.artifacts import artifacts
from support.stores import open_store

from eventstore import LaneFull, write_override
from eventstore.bus import EventBus
from eventstore.codec import encode_state
from eventstore.drafts import MAX_STATE_BYTES, draft
from eventstore.events import BranchRewound
from eventstore.refs import generate_ref
from eventstore.sessions import Session
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer

STEPS = 3_000
RANGES = next(
    n
    for n in range(1_000, STEPS // 2)
    if len(encode_state({"segments": [("main", 2 * k, 2 * k) for k in range(n + 1)], "own": STEPS}))
    > MAX_STATE_BYTES
)
"""As many ranges as a lineage of "main" may have, each of one step."""


@pytest.fixture
def bus(server: PrivateServer, namespace: str) -> Iterator[EventBus]:
    with open_store(server, namespace) as store:
        yield EventBus(store)


@pytest.fixture
def session(bus: EventBus) -> Session:
    """A session whose branch shows every second step, up to the limit, and a row of each agent."""
    for _ in range(0, STEPS, 500):
        bus.store.append("s", artifacts("s", 500))
    event = BranchRewound(
        ref=generate_ref(),
        session_id="s",
        agent_id="a",
        ts=current_timestamp(),
        to=2 * RANGES - 2,
        segments=tuple(("main", 2 * k, 2 * k) for k in range(RANGES)),
        own=STEPS,
    )
    bus.store.append("s", [draft(event)])
    session = Session(bus, "s")
    for agent in ("x", "y"):
        session.register_agent(agent)
        session.stack_for(agent).push(agent)
    session.save()
    return session


def test_a_branch_of_too_many_ranges_is_refused_and_can_be_mended(
    bus: EventBus, session: Session
) -> None:
    assert RANGES > 1_300
    events = len(bus.store.read("s"))
    session.stack_for("x").pop()
    with pytest.raises(LaneFull, match=r"branch 'main'.*rewind it.*or fork it") as refused:
        session.save()
    assert (refused.value.lane, refused.value.limit) == ("lineage:main", MAX_STATE_BYTES)
    assert refused.value.size > MAX_STATE_BYTES
    with pytest.raises(LaneFull, match="branch 'top'"):
        bus.fork("s", at=STEPS + 1, name="top")
    assert len(bus.store.read("s")) == events

    assert bus.fork("s", at=20, name="lower") == "lower"
    bus.rewind("s", to=2 * RANGES - 10)
    session.discard()
    session.stack_for("x").push("again")
    session.save()
    assert session.stack_for("x").pop().payload == "again"
    session.save()


def test_a_full_stack_still_takes_rows(session: Session) -> None:
    session.stack_for("x").push("more")
    (row,) = session.save()
    assert row.step_idx == STEPS + 2


def test_an_override_that_grows_too_large_is_refused(bus: EventBus) -> None:
    half = "x" * (MAX_STATE_BYTES // 2)
    assert write_override(bus, "a", "c", {"one": half})
    with pytest.raises(LaneFull, match=r"agent 'a': the override .* remove keys"):
        write_override(bus, "a", "c", {"two": half})
    assert len(bus.store.read("c")) == 1
    assert write_override(bus, "a", "c", {"one": None, "two": half})


def test_too_many_agents_are_refused(bus: EventBus) -> None:
    session = Session(bus, "s")
    for number in range(20):
        session.register_agent(f"{number:01000}")
    with pytest.raises(LaneFull, match=r"lane 'agents'.*unregister"):
        session.save()
    assert bus.store.read("s") == []
