"""What a client reads of a session, compared with the model of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from support.operations_model import MAIN, Wrong

from eventstore.errors import NotOnStack, SessionNotFound
from eventstore.times import from_milliseconds

if TYPE_CHECKING:
    from support.operations_clients import Client
    from support.operations_model import Model
    from support.operations_state import Artifact, Version
    from support.operations_unit import Unit

AGENT: Final = "a"
"""The agent that is configured."""
VIEWS: Final = 5


def compare(client: Client, session: str, model: Model, view: int) -> None:
    """Compare one view of a session, which the number chooses; the client has looked at the log."""
    if not model.seq:
        with pytest.raises(SessionNotFound):
            client.bus.branches(session)
        return
    views = (_histories, _branches, _searches, _artifacts, _decisions)
    views[view % VIEWS](client, session, model)


def _said(artifact: Artifact, version: Version) -> dict[str, Any]:
    return {
        "ref": artifact.ref,
        "agent_id": artifact.agent,
        "branch_id": artifact.branch,
        "type": artifact.type,
        "ts": from_milliseconds(artifact.ts),
        "seq": artifact.seq,
        "step_idx": artifact.step,
        "status": version.status,
        "score": version.score,
        "tags": version.tags,
        "payload": version.payload,
        "by": version.by,
    }


def _read(row: Any) -> dict[str, Any]:
    header, payload = row
    names = ("ref", "agent_id", "branch_id", "type", "ts", "seq", "step_idx")
    said = {name: header[name] for name in names}
    said |= {"status": header.get("status"), "score": header.get("score")}
    said["tags"] = header["meta"].get("tags", [])
    return {**said, "payload": payload, "by": header.get("amended", {}).get("by")}


def _rows(model: Model, refs: list[str]) -> list[dict[str, Any]]:
    found = [model.state.artifacts[ref] for ref in refs]
    return [_said(each, each.now) for each in found]


def _histories(client: Client, session: str, model: Model) -> None:
    for name in {MAIN, *model.state.branches}:
        shown = model.branch(name).shown
        rows = client.bus.history(session, name)
        assert [_read(row) for row in rows] == _rows(model, shown)
        assert [header["depth"] for header, _ in rows] == [*range(len(shown))]
        last = client.bus.history(session, name, limit=2)
        assert last == rows[-2:]


def _branches(client: Client, session: str, model: Model) -> None:
    state = model.state
    rows = client.bus.branches(session)
    by_age = sorted(state.branches, key=lambda name: (name != MAIN, state.branches[name].age))
    assert [row["branch_id"] for row in rows] == by_age
    for row, branch in zip(rows, (state.branches[name] for name in by_age), strict=True):
        names = ("next", "length", "parent", "at", "rewinds", "pops")
        wanted = (
            branch.next,
            len(branch.shown),
            branch.parent,
            branch.at,
            branch.rewinds,
            branch.pops,
        )
        assert tuple(row[name] for name in names) == wanted
        steps = [(state.artifacts[ref].branch, state.artifacts[ref].step) for ref in branch.shown]
        assert row["head"] == (steps[-1][1] if steps else None)
        ranges = [*row["segments"], (row["branch_id"], row["own"], row["next"] - 1)]
        assert [(owner, n) for owner, lo, hi in ranges for n in range(lo, hi + 1)] == steps
        assert [step for _, step in steps] == sorted({step for _, step in steps})
        _scores(row, model)


def _scores(row: dict[str, Any], model: Model) -> None:
    judged = [
        each.now.score
        for each in model.state.artifacts.values()
        if each.type == "evaluation" and each.branch == row["branch_id"]
    ]
    scores = [score for score in judged if score is not None]
    assert row["scores"] == {
        "count": len(scores),
        "sum": sum(scores) if scores else None,
        "mean": sum(scores) / len(scores) if scores else None,
        "unscored": len(judged) - len(scores),
        "failed": 0,
    }


def _searches(client: Client, session: str, model: Model) -> None:
    """Every artifact is found, hidden ones too, in order of event time."""
    everything = sorted(model.state.artifacts.values(), key=lambda each: (each.ts, each.seq))
    rows = client.bus.search(session, limit=1000, order="asc")
    assert [_read(row) for row in rows] == [_said(each, each.now) for each in everything]
    if not everything:
        return
    some = everything[len(everything) // 2]
    for filters, passes in (
        ({"agent": some.agent}, lambda each: each.agent == some.agent),
        ({"branch": some.branch, "type": some.type},
         lambda each: (each.branch, each.type) == (some.branch, some.type)),
        ({"tag": "x"}, lambda each: "x" in each.now.tags),
        ({"since": from_milliseconds(some.ts), "agent": some.agent},
         lambda each: each.ts >= some.ts and each.agent == some.agent),
    ):  # fmt: skip
        found = client.bus.search(session, limit=5, **filters)  # type: ignore[arg-type]
        wanted = [each.ref for each in everything[::-1] if passes(each)][:5]
        assert [header["ref"] for header, _ in found] == wanted


def _artifacts(client: Client, session: str, model: Model) -> None:
    """The last artifacts by ref, as they are and as they were published."""
    amended = [each for each in model.state.artifacts.values() if len(each.versions) > 1]
    for each in [*model.state.artifacts.values()][-2:] + amended[-3:]:
        assert _read(client.bus.get(each.ref)) == _said(each, each.now)
        original = client.bus.get(each.ref, original=True)
        assert _read(original) == _said(each, each.versions[0])


def _decisions(client: Client, session: str, model: Model) -> None:
    """Agents, ticks, overrides: by heads of lanes."""
    state = model.state
    found = client.session(session)
    assert (found.agents, found.tick) == (state.agents, state.tick.number)
    barrier, tick = found.barrier(), state.tick
    assert barrier.tick == tick.number
    assert list(barrier.agents) == tick.agents
    assert list(barrier.acked) == [agent for agent in tick.agents if agent in tick.acked]
    assert list(barrier.gone) == [agent for agent in tick.agents if agent not in state.live]
    assert barrier.stalled == (None if tick.stalled is None else tuple(tick.stalled))
    assert list(barrier.waiting) == state.waiting
    assert (list(barrier.live), barrier.is_open) == (state.live, state.is_open)
    for agent in {AGENT, *state.overrides}:
        assert client.read_override(agent, session) == state.overrides.get(agent, {})
        history = client.override_history(agent, session)
        assert len(history) == state.lanes.get(f"override:{agent}", 0)
        assert (history[-1]["locked"] if history else False) == state.locked.get(agent, False)
    effective = client.effective_agent(AGENT, session).model_dump(exclude_unset=True)
    for key, value in state.overrides.get(AGENT, {}).items():
        assert effective[key] == value


def compare_past(
    client: Client,
    session: str,
    model: Model,
    branch: str,
    agent: str,
    seq: int,
    *,
    by_time: bool,
) -> None:
    """Compare a branch and an override as of an event, named by its seq or by its time.

    The client has not looked at the log: a moment is waited for by itself.
    """
    moment: dict[str, Any] = {"seq": seq}
    if by_time:
        times = [each.appended_at for each in client.store.read(session)]
        moment = {"time": from_milliseconds(times[seq])}
        seq = max(n for n, at in enumerate(times) if at <= times[seq])
    as_of = next(iter(moment.values()))
    assert client.read_override(agent, session, as_of=as_of) == model.override_at(agent, seq)
    try:
        refs = model.shown_at(branch, seq)
    except Wrong as wrong:
        with pytest.raises(wrong.kind):
            client.bus.as_of(session, branch, **moment)
        return
    versions = model.state.moments[seq].versions
    wanted = []
    for ref in refs:
        artifact = model.state.artifacts[ref]
        wanted.append(_said(artifact, artifact.versions[versions[ref] - 1]))
    rows = client.bus.as_of(session, branch, **moment)
    assert [_read(row) for row in rows] == wanted
    assert [header["depth"] for header, _ in rows] == [*range(len(wanted))]


def compare_stack(stack: Any, unit: Unit) -> None:
    """Compare what a stack shows; rows that others changed below its pops are not compared."""
    agent, branch = stack.agent_id, stack.branch
    try:
        is_settled = unit.is_settled(agent, branch)
    except Wrong as wrong:
        with pytest.raises(wrong.kind):
            stack.length()
        return
    if not is_settled:
        return
    waiting = unit.of_stack("push", agent, branch)
    refs = unit.saved_below(agent, branch) + [push.ref for push in waiting]
    roles = {push.ref: push.role for push in waiting}
    roles |= {ref: unit.model.state.artifacts[ref].role for ref in unit.saved_below(agent, branch)}
    assert stack.length() == len(refs)
    current = stack.current()
    assert (None if current is None else current.header["ref"]) == (refs[-1] if refs else None)
    assert [row.header["ref"] for row in stack.iter_last_n(3)] == refs[-3:]
    for depth in (0, -1, len(refs) // 2):
        if refs:
            assert stack.at(depth).header["ref"] == refs[depth]
    with pytest.raises(NotOnStack):
        stack.at(len(refs))
    said = [ref for ref in refs if roles[ref] == "assistant"]
    last = stack.last_assistant_message()
    assert (None if last is None else last.header["ref"]) == (said[-1] if said else None)
