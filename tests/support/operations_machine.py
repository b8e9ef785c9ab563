"""Operations of several clients on sessions, against the model of `support.operations_model`.

`support.operations_sessions` adds what clients do through session objects.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.operations_model import MAIN, STACK_TYPES, Model, Wrong
from support.operations_state import Version
from support.operations_views import VIEWS, compare, compare_past

from eventstore.times import from_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.operations_clients import Client

T = TypeVar("T")
AGENTS: Final = ("a", "b:{é}")
BRANCHES: Final = (MAIN, "b1", "b:2", "é/3")
TYPES: Final = (*STACK_TYPES, "evaluation", "note")
_START: Final = 1_767_225_600_000
_numbers = count(1)

# The first session has the most to do; the second is there to be left alone.
sessions = st.sampled_from([0, 0, 0, 0, 1])
clients = st.integers(0, 2)
agents = st.sampled_from(AGENTS)
moments = st.integers(0, 9)
tags = st.lists(st.sampled_from(["x", "y z"]), max_size=2, unique=True)
items = st.tuples(agents, st.sampled_from(TYPES), moments, tags)
new_names = st.sampled_from([None, None, None, *BRANCHES])
patches = st.tuples(
    st.dictionaries(
        st.sampled_from(["model", "description"]), st.sampled_from(["m", "n", None]), min_size=1
    ),
    st.sampled_from([{}, {"lock": True}, {"lock": True}, {"lock": False}]),
)


class OperationsMachine(RuleBasedStateMachine):
    """Two sessions and three clients; sessions are new in every example, the store is not."""

    opened: list[Client]
    steps = 0
    """How many steps were taken, in all examples."""
    refusals = 0

    def __init__(self) -> None:
        super().__init__()
        run = next(_numbers)
        self.names = [f"{run}:busy", f"{run}:quiet é{{}}"]
        self.models = [Model(), Model()]
        self.before = self.opened[0].look()
        self.touched = (0, 0)
        self.round = 0

    def act(
        self, client: int, session: int, due: Callable[[], T], act: Callable[[], Any]
    ) -> tuple[T, Any] | None:
        """Do what the model does; if that is refused, the store must refuse it too.

        Returns what the model and the store answered, None if they refused.
        """
        self.touch(client, session)
        try:
            wanted = due()
        except Wrong as wrong:
            type(self).refusals += 1
            with pytest.raises(wrong.kind, match=r".") as refused:
                act()
            assert refused.type is wrong.kind  # noqa: PT017
            return None
        return wanted, act()

    def touch(self, client: int, session: int) -> None:
        """Have a session compared after the step."""
        self.touched = (client, session)

    def placed(self, client: int, session: int, due: Callable[[], Any], act: Any) -> None:
        """Do what appends one event, and compare where it lies."""
        done = self.act(client, session, due, act)
        if done is not None:
            wanted, row = done
            assert (row.seq, row.step_idx) == wanted

    def header(self, session: int, agent: str, branch: str, kind: str, ts: int) -> dict[str, Any]:
        """Return the header of a new artifact; its event time is one of a few."""
        return {
            "ref": f"{next(_numbers):032x}",
            "session_id": self.names[session],
            "agent_id": agent,
            "branch_id": branch,
            "type": kind,
            "ts": from_milliseconds(_START + ts),
        }

    def branch(self, data: st.DataObject, session: int) -> str:
        """Draw a branch: mostly one that there is."""
        there = [MAIN, *self.models[session].state.branches]
        return data.draw(st.sampled_from([*there * 10, *BRANCHES]))

    def step(self, data: st.DataObject, session: int, branch: str) -> int:
        """Draw a step: mostly one that a branch shows, else one that it had, or never."""
        state = self.models[session].state
        shown = state.branches[branch].shown if branch in state.branches else []
        steps = [state.artifacts[ref].step for ref in shown]
        return data.draw(st.sampled_from([*steps * 4, *steps[-3:] * 4, -1, 0, 1, 99]))

    @rule(client=clients, session=sessions, item=items, data=st.data())
    def publish(self, client: int, session: int, item: Any, data: st.DataObject) -> None:
        self.publish_items(client, [(session, self.branch(data, session), item)])

    @rule(
        client=clients,
        several=st.lists(st.tuples(sessions, items), min_size=1, max_size=4),
        data=st.data(),
    )
    def publish_many(self, client: int, several: list[Any], data: st.DataObject) -> None:
        chosen = [(session, self.branch(data, session), item) for session, item in several]
        self.publish_items(client, chosen, many=True)

    def publish_items(self, client: int, several: list[Any], *, many: bool = False) -> None:
        """Publish artifacts to branches of sessions."""
        drafts, wanted = [], []
        for session, branch, (agent, kind, ts, tagged) in several:
            header = self.header(session, agent, branch, kind, ts)
            score = ts / 4 if kind == "evaluation" and ts else None
            version = Version({"n": header["ref"]}, tagged, score=score)
            drafts.append(({**header, "meta": {"tags": tagged}, "score": score}, version.payload))
            model = self.models[session]
            wanted.append(model.publish(header["ref"], agent, branch, kind, _START + ts, version))
        bus = self.opened[client].bus
        rows = bus.publish_many(drafts) if many else [bus.publish(*drafts[0])]
        self.touch(client, several[0][0])
        assert [(row.seq, row.step_idx) for row in rows] == wanted

    @precondition(lambda self: any(model.state.artifacts for model in self.models))
    @rule(
        client=clients,
        data=st.data(),
        author=agents,
        tagged=st.none() | tags,
        status=st.sampled_from([None, "ok", "bad"]),
        payload=st.none() | moments,
    )
    def amend(
        self,
        client: int,
        data: st.DataObject,
        author: str,
        tagged: list[str] | None,
        status: str | None,
        payload: int | None,
    ) -> None:
        session = 0 if self.models[0].state.artifacts else 1
        model = self.models[session]
        there = [*model.state.artifacts.values()]
        artifact = data.draw(st.sampled_from([*there[:2] * 4, *there]))
        changes: dict[str, Any] = {"status": status, "by": author}
        header: dict[str, Any] = {"status": status}
        if tagged is not None:
            changes["tags"], header["meta"] = tagged, {"tags": tagged}
        if artifact.type == "evaluation":
            changes["score"] = header["score"] = payload / 4 if payload else None
        given: dict[str, Any] = {}
        if payload is not None:
            changes["payload"] = given["payload"] = {"amended": payload}
        self.placed(
            client,
            session,
            lambda: model.amend(artifact.ref, changes),
            lambda: self.opened[client].bus.amend(artifact.ref, header, agent_id=author, **given),
        )

    @rule(client=clients, session=sessions, data=st.data(), name=new_names)
    def fork(self, client: int, session: int, data: st.DataObject, name: str | None) -> None:
        parent = self.branch(data, session)
        self.fork_off(client, session, parent, self.step(data, session, parent), name)

    @rule(client=clients, session=sessions, data=st.data(), name=new_names)
    def fork_the_past(
        self, client: int, session: int, data: st.DataObject, name: str | None
    ) -> None:
        model, parent = self.models[session], self.branch(data, session)
        as_of = data.draw(st.integers(0, model.seq))
        there = [model.state.artifacts[ref].step for ref in model.past(parent, as_of)]
        at = data.draw(st.sampled_from([*there * 4, -1, 99]))
        self.fork_off(client, session, parent, at, name, as_of)

    def fork_off(
        self, client: int, session: int, parent: str, at: int, name: str | None,
        as_of: int | None = None,
    ) -> None:  # fmt: skip
        """Fork a branch, as it is or as it was."""
        model, bus = self.models[session], self.opened[client].bus
        unnamed = "?"
        done = self.act(
            client,
            session,
            lambda: model.fork(at, name or unnamed, parent, as_of),
            lambda: bus.fork(self.names[session], at, name, parent=parent, as_of=as_of),
        )
        if done is not None and name is None:
            model.rename(unnamed, done[1])
        elif done is not None:
            assert done[1] == name

    @rule(client=clients, session=sessions, data=st.data())
    def rewind(self, client: int, session: int, data: st.DataObject) -> None:
        branch = self.branch(data, session)
        to = self.step(data, session, branch)
        self.placed(
            client,
            session,
            lambda: self.models[session].rewind(to, branch),
            lambda: self.opened[client].bus.rewind(self.names[session], to, branch),
        )

    @rule(client=clients, session=sessions, agent=agents, data=st.data())
    def check_out(self, client: int, session: int, agent: str, data: st.DataObject) -> None:
        branch, bus = self.branch(data, session), self.opened[client].bus
        self.placed(
            client,
            session,
            lambda: self.models[session].check_out(agent, branch),
            lambda: bus.checkout(self.names[session], branch, agent_id=agent),
        )

    @rule(client=clients, session=sessions, agent=agents, parts=patches)
    def write_override(self, client: int, session: int, agent: str, parts: Any) -> None:
        patch = {**parts[0], **parts[1]}
        done = self.act(
            client,
            session,
            lambda: self.models[session].write_override(agent, patch),
            lambda: self.opened[client].write_override(agent, self.names[session], patch),
        )
        assert done is not None
        assert done[0] == done[1]

    @precondition(lambda self: any(model.seq for model in self.models))
    @rule(client=clients, data=st.data(), agent=agents, by_time=st.booleans())
    def read_the_past(self, client: int, data: st.DataObject, agent: str, by_time: bool) -> None:
        session = 0 if self.models[0].seq else 1
        model, branch = self.models[session], self.branch(data, session)
        seq = data.draw(st.integers(0, model.seq - 1))
        self.touch(client, session)
        compare_past(
            self.opened[client], self.names[session], model, branch, agent, seq, by_time=by_time
        )

    @invariant()
    def the_store_is_the_model(self) -> None:
        """Nothing else was written, and what was touched reads as it must, by any client."""
        type(self).steps += self.round > 0
        self.round += 1
        client, session = self.touched
        reader = self.opened[(client + self.round) % 3]
        assert reader.look() - self.before == sum(model.seq for model in self.models)
        compare(reader, self.names[session], self.models[session], self.round)

    def teardown(self) -> None:
        """Compare every view of both sessions."""
        for number, (name, model) in enumerate(zip(self.names, self.models, strict=True)):
            self.opened[number].look()
            for view in range(VIEWS):
                compare(self.opened[number], name, model, view)
