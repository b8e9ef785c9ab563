"""A log of one session, replayed on the plain model: is each event what might be done there?

An event that the model refuses at its place, or that says something else than what it leaves there,
was decided by something that did not hold any more when it was appended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.operations_model import MAIN, Model
from support.operations_state import Version

from eventstore.times import to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from support.operations_state import Placed

    from eventstore.codec import Recorded


def replay(log: Iterable[Recorded]) -> Model:
    """Return the session that a log makes, one event after the other."""
    model = Model()
    for recorded in log:
        event = recorded.event
        placed = _DONE[event.kind](model, event)
        assert placed == (recorded.seq, recorded.index), event
    return model


def payload_of(ref: str) -> dict[str, str]:
    """Return the payload that an artifact has, which its events do not carry."""
    return {"n": ref}


def _publish(model: Model, event: Any) -> Placed:
    model.check_agent(event.agent_id)
    assert model.state.checkouts.get(event.agent_id, MAIN) == event.branch_id, event
    version = Version(payload_of(event.ref), [])
    ts = to_milliseconds(event.ts)
    return model.publish(
        event.ref, event.agent_id, event.branch_id, event.type, ts, version, event.role
    )


def _fork(model: Model, event: Any) -> Placed:
    placed = model.fork(event.at, event.branch_id, event.parent, event.as_of)
    _check_lineage(model, event)
    return placed


def _rewind(model: Model, event: Any) -> Placed:
    placed = model.rewind(event.to, event.branch_id)
    _check_lineage(model, event)
    return placed


def _pop(model: Model, event: Any) -> Placed:
    model.check_agent(event.agent_id)
    last = model.stack(event.agent_id, event.branch_id)[-1]
    assert model.state.artifacts[last].step == event.step, event
    placed = model.pop(event.branch_id, last)
    _check_lineage(model, event)
    return placed


def _check_lineage(model: Model, event: Any) -> None:
    """A decision says as ranges what is shown after it, and where the branch goes on."""
    branch = model.state.branches[event.branch_id]
    shown = [model.state.artifacts[ref] for ref in branch.shown]
    ranges = [(owner, n) for owner, lo, hi in event.segments for n in range(lo, hi + 1)]
    assert ranges == [(each.branch, each.step) for each in shown], event
    assert event.own == branch.next, event


def _check_out(model: Model, event: Any) -> Placed:
    return model.check_out(event.agent_id, event.branch_id)


def _override(model: Model, event: Any) -> Placed:
    agent = event.agent_id
    assert model.write_override(agent, event.patch), event
    after = (model.state.overrides[agent], model.state.locked[agent])
    assert after == (event.effective, event.locked), event
    return model.seq - 1, model.state.lanes[f"override:{agent}"] - 1


def _tick(model: Model, event: Any) -> Placed:
    tick = model.start_tick(event.tick - 1)
    assert tick.agents == list(event.agents), event
    return model.seq - 1, model.state.lanes["tick"] - 1


def _give_up(model: Model, event: Any) -> Placed:
    placed = model.give_up_tick(event.tick)
    assert model.state.tick.stalled == list(event.stalled), event
    return placed


def _ack(model: Model, event: Any) -> Placed:
    tick = model.state.tick
    model.check_agent(event.agent_id)
    assert event.tick == tick.number, event
    assert event.agent_id in tick.agents, event
    assert event.agent_id not in [*tick.acked, *(tick.stalled or [])], event
    placed = model.event("ack")
    tick.acked[event.agent_id] = (event.finished, placed)
    return placed


def _agents(model: Model, event: Any) -> Placed:
    state, agent = model.state, event.agent_id
    assert state.is_open, event
    state.finished = [each for each in state.finished if each != agent]
    if event.kind == "agent.unregistered":
        state.agents.remove(agent)
    elif event.kind == "agent.finished":
        state.finished.append(agent)
    elif agent not in state.agents:
        state.agents.append(agent)
    assert (state.agents, state.finished) == (list(event.agents), list(event.finished)), event
    return model.event("agents")


def _life(model: Model, event: Any) -> Placed:
    opens = event.kind == "session.opened"
    assert model.state.is_open != opens or model.state.lanes.get("session", 0) == 0, event
    model.state.is_open = opens
    return model.event("session")


_DONE: dict[str, Callable[[Model, Any], Placed]] = {
    "artifact.published": _publish,
    "branch.forked": _fork,
    "branch.rewound": _rewind,
    "branch.popped": _pop,
    "branch.checked_out": _check_out,
    "override.written": _override,
    "session.ticked": _tick,
    "tick.stalled": _give_up,
    "tick.acked": _ack,
    "agent.registered": _agents,
    "agent.unregistered": _agents,
    "agent.finished": _agents,
    "session.opened": _life,
    "session.closed": _life,
}
