"""What clients do through session objects: agents, ticks, stacks, and saving units of work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from support.operations_machine import AGENTS, OperationsMachine, agents, clients, moments, sessions
from support.operations_model import MAIN, STACK_TYPES
from support.operations_unit import Intent, Unit
from support.operations_views import compare_stack

from eventstore.times import parse_timestamp, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.operations_clients import Client
    from support.operations_model import Model

    from eventstore.sessions import Session

rows = st.tuples(
    st.sampled_from(STACK_TYPES[:2]), moments, st.sampled_from(["user", "assistant", None])
)


class Work:
    """A client's session, the stacks that were taken from it, and the model of what waits."""

    def __init__(self, client: Client, session_id: str, model: Model) -> None:
        self.session: Session = client.session(session_id)
        self.unit = Unit(model)
        self.stacks: dict[str, Any] = {}

    def discard(self) -> None:
        self.session.discard()
        self.unit.intents.clear()
        self.stacks.clear()


class SessionsMachine(OperationsMachine):
    """Each client has an object of each session, in which its work waits."""

    def __init__(self) -> None:
        super().__init__()
        self.work = {
            (client, session): Work(self.opened[client], self.names[session], self.models[session])
            for client in range(3)
            for session in range(2)
        }

    @initialize()
    def begin(self) -> None:
        """Have agents with rows in the first session."""
        for agent in AGENTS:
            self.change_agents(0, 0, agent, joins=True)
            self.push(0, 0, agent, [("state", 1, "user"), ("tool_call", 2, None)])
        self.save(0, 0)
        self.publish_items(1, [(0, MAIN, (AGENTS[0], "evaluation", 3, ["x"]))])

    @rule(client=clients, session=sessions, after=st.sampled_from([None, None, None, 0, 1]))
    def start_tick(self, client: int, session: int, after: int | None) -> None:
        done = self.act(
            client,
            session,
            lambda: self.models[session].start_tick(after),
            lambda: self.work[client, session].session.start_tick(after),
        )
        if done is not None:
            assert (done[1].tick, list(done[1].agents)) == (done[0].number, done[0].agents)

    @rule(client=clients, session=sessions, off=st.sampled_from([0, 0, 0, 1]))
    def give_up_tick(self, client: int, session: int, off: int) -> None:
        number = self.models[session].state.tick.number + off
        self.placed(
            client,
            session,
            lambda: self.models[session].give_up_tick(number),
            lambda: self.work[client, session].session.give_up_tick(number),
        )

    @rule(
        client=clients, session=sessions, agent=agents, joins=st.sampled_from([True, True, False])
    )
    def change_agents(self, client: int, session: int, agent: str, joins: bool) -> None:
        self.touch(client, session)
        work = self.work[client, session]
        work.unit.intents.append(Intent("register" if joins else "unregister", agent))
        (work.session.register_agent if joins else work.session.unregister_agent)(agent)

    def stack(self, client: int, session: int, agent: str) -> Any:
        """Return the stack that was taken before, or take it; None if that is refused."""
        work = self.work[client, session]
        if agent not in work.stacks:
            done = self.act(
                client,
                session,
                lambda: work.unit.branch_of(agent),
                lambda: work.session.stack_for(agent),
            )
            if done is None:
                return None
            assert done[1].branch == done[0]
            work.stacks[agent] = done[1]
        return work.stacks[agent]

    @rule(client=clients, session=sessions, agent=agents)
    def take_a_stack(self, client: int, session: int, agent: str) -> None:
        self.work[client, session].stacks.pop(agent, None)
        self.stack(client, session, agent)

    @rule(
        client=clients,
        session=sessions,
        agent=agents,
        states=st.lists(rows, min_size=1, max_size=3),
    )
    def push(self, client: int, session: int, agent: str, states: list[Any]) -> None:
        stack = self.stack(client, session, agent)
        if stack is None:
            return
        self.touch(client, session)
        pushed = []
        for kind, ts, role in states:
            header = self.header(session, agent, stack.branch, kind, ts)
            payload = {"n": header["ref"], **({} if role is None else {"role": role})}
            pushed.append((header, payload))
            self.work[client, session].unit.intents.append(
                Intent(
                    "push",
                    agent,
                    stack.branch,
                    header["ref"],
                    kind,
                    to_milliseconds(parse_timestamp(header["ts"])),
                    role if kind == "state" else None,
                    payload,
                )
            )
        assert stack.push(*pushed) == [header["ref"] for header, _ in pushed]

    @rule(client=clients, session=sessions, agent=agents)
    def pop(self, client: int, session: int, agent: str) -> None:
        stack = self.stack(client, session, agent)
        if stack is None:
            return
        unit = self.work[client, session].unit
        done = self.act(client, session, lambda: unit.pop(agent, stack.branch), stack.pop)
        if done is not None:
            assert done[1].header["ref"] == done[0]
            self.opened[client].look()
            compare_stack(stack, unit)

    @rule(client=clients, session=sessions, agent=agents, pops=st.integers(1, 3), row=rows)
    def replace(self, client: int, session: int, agent: str, pops: int, row: Any) -> None:
        """Replace the last rows of a stack in one unit of work."""
        self.take_a_stack(client, session, agent)
        for _ in range(pops):
            self.pop(client, session, agent)
        self.push(client, session, agent, [row])
        self.save(client, session)

    @rule(client=clients, session=sessions, agent=agents, data=st.data())
    def check_out_a_stack(self, client: int, session: int, agent: str, data: st.DataObject) -> None:
        stack = self.stack(client, session, agent)
        if stack is None:
            return
        self.touch(client, session)
        branch = self.branch(data, session)
        self.work[client, session].unit.intents.append(Intent("checkout", agent, branch))
        stack.checkout(branch)

    @rule(
        client=clients,
        session=sessions,
        agent=agents,
        finished=st.sampled_from([False, False, False, True]),
        off=st.sampled_from([None, None, None, 0, 1]),
    )
    def ack(self, client: int, session: int, agent: str, finished: bool, off: int | None) -> None:
        work = self.work[client, session]
        number = self.models[session].state.tick.number + (off or 0)
        self.act(
            client,
            session,
            lambda: work.unit.ack(agent, number, finished),
            lambda: work.session.ack(agent, None if off is None else number, finished=finished),
        )

    @rule(client=clients, agent=agents, finished=st.sampled_from([False, False, False, True]))
    def act_in_a_tick(self, client: int, agent: str, finished: bool) -> None:
        """Start a tick, if none waits for somebody, and do an agent's part of it at once."""
        if not self.models[0].state.waiting:
            self.start_tick(client, 0, None)
        self.push(client, 0, agent, [("state", 5, "assistant")])
        self.ack(client, 0, agent, finished, None)
        self.save(client, 0)

    def save_all(self, client: int, session: int, act: Callable[[], Any]) -> None:
        """Save what waits; if it is refused, nothing was done, and it is forgotten."""
        work = self.work[client, session]
        done = self.act(client, session, work.unit.save, act)
        if done is None:
            work.discard()
            return
        placed = [(row.seq, row.step_idx) for row in done[1]]
        assert placed[: len(done[0])] == done[0]
        assert work.session.pending == 0

    @rule(client=clients, session=sessions)
    def save(self, client: int, session: int) -> None:
        self.save_all(client, session, self.work[client, session].session.save)

    @rule(client=clients, session=sessions, reopens=st.sampled_from([True, True, False]))
    def open_or_close(self, client: int, session: int, reopens: bool) -> None:
        work = self.work[client, session]
        opens = reopens or not self.models[session].state.is_open
        work.unit.intents.append(Intent("open" if opens else "close"))
        self.save_all(client, session, work.session.open if opens else work.session.close)

    @rule(client=clients, session=sessions)
    def discard(self, client: int, session: int) -> None:
        self.touch(client, session)
        self.work[client, session].discard()

    @rule(client=clients, session=sessions, agent=agents)
    def read_a_stack(self, client: int, session: int, agent: str) -> None:
        stack = self.stack(client, session, agent)
        if stack is not None:
            self.touch(client, session)
            self.opened[client].look()
            compare_stack(stack, self.work[client, session].unit)
