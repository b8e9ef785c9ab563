"""What an application does with sessions and artifacts, each operation as one that can be repeated.

An `Operation` acts on a session that `prepare` made, under refs that follow from the session's
name, so that any process may perform it again. Its answer says what a caller is told, without
what differs from session to session.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore.overrides import read_override, write_override
from eventstore.refs import derived_ref
from eventstore.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from eventstore.bus import EventBus
    from eventstore.commands import Appended
    from eventstore.stacks import Stack

AGENT: Final = "writer"
# Above `store.inline_limit` however well it is compressed: it goes to files before the append.
_LARGE: Final = 300_000


class Operation(NamedTuple):
    """How a session is made ready for an operation, and the operation itself."""

    prepare: Callable[[EventBus, str], object]
    perform: Callable[[EventBus, str], object]


def beside(session: str) -> str:
    """Return the session that operations on several of them name besides the first."""
    return f"{session}.beside"


def _ref(session: str, what: str) -> str:
    return derived_ref("operation", session, what)


def _lies(rows: Iterable[Appended]) -> list[tuple[int, int]]:
    return [(row.seq, row.step_idx) for row in rows]


def _artifact(session: str, what: str, **fields: Any) -> dict[str, Any]:
    named = {"session_id": session, "agent_id": AGENT, "type": "state"}
    return {**named, "ref": _ref(session, what), **fields}


def _row(session: str, what: str, **fields: Any) -> tuple[dict[str, Any], object]:
    return {"ref": _ref(session, what), **fields}, {"role": "assistant", "content": what}


def _stack(bus: EventBus, session: str) -> tuple[Session, Stack]:
    unit = Session(bus, session)
    return unit, unit.stack_for(AGENT)


def _nothing(bus: EventBus, session: str) -> None:
    """An operation that needs no session to be there."""


def _with_rows(bus: EventBus, session: str) -> None:
    unit = Session(bus, session)
    unit.register_agent(AGENT)
    unit.register_agent("critic")
    unit.save()
    unit.stack_for(AGENT).push(*(_row(session, f"row {n}") for n in range(4)))
    unit.save()


def _publish(bus: EventBus, session: str) -> object:
    return _lies([bus.publish(_artifact(session, "published"), {"n": 1})])


def _publish_large(bus: EventBus, session: str) -> object:
    payload = random.Random(session).randbytes(_LARGE)
    return _lies([bus.publish(_artifact(session, "large"), payload)])


def _publish_many(bus: EventBus, session: str) -> object:
    return _lies(bus.publish_many((_artifact(session, f"{n}"), {"n": n}) for n in range(5)))


def _publish_to_several(bus: EventBus, session: str) -> object:
    sessions = (session, beside(session))
    items = [(_artifact(each, f"{n}"), {"n": n}) for n in range(3) for each in sessions]
    return _lies(bus.publish_many(items))


def _fork(bus: EventBus, session: str) -> object:
    return bus.fork(session, 1, "other", ref=_ref(session, "fork"))


def _rewind(bus: EventBus, session: str) -> object:
    return _lies([bus.rewind(session, 1, ref=_ref(session, "rewind"))])


def _with_branch(bus: EventBus, session: str) -> None:
    _with_rows(bus, session)
    bus.fork(session, 1, "other")


def _checkout(bus: EventBus, session: str) -> object:
    ref = _ref(session, "checkout")
    return _lies([bus.checkout(session, "other", agent_id=AGENT, ref=ref)])


def _with_branches(bus: EventBus, session: str) -> None:
    _with_branch(bus, session)
    bus.fork(session, 2, "third")


def _listed(bus: EventBus, session: str) -> list[str]:
    return [str(row["branch_id"]) for row in bus.branches(session)]


def _prune(bus: EventBus, session: str) -> object:
    bus.prune(session, shorter_than=4)
    return _listed(bus, session)


def _pruned(bus: EventBus, session: str) -> None:
    _with_branches(bus, session)
    bus.prune(session, "third")


def _unprune(bus: EventBus, session: str) -> object:
    bus.unprune(session, "third")
    return _listed(bus, session)


def _amend(bus: EventBus, session: str) -> object:
    row, ref = _ref(session, "row 2"), _ref(session, "amend")
    amended = bus.amend(row, {"meta": {"tags": ["seen"]}}, "put right", amendment_ref=ref)
    return _lies([amended]), bus.get(row).payload


def _evaluate(bus: EventBus, session: str) -> object:
    row, ref = _ref(session, "row 2"), _ref(session, "evaluation")
    return _lies([bus.create_evaluation_for(row, evaluator_id="judge", request_ref=ref)])


def _override(patch: Mapping[str, Any], what: str) -> Callable[[EventBus, str], object]:
    def write(bus: EventBus, session: str) -> object:
        written = write_override(bus, AGENT, session, patch, ref=_ref(session, what))
        return written, read_override(bus, AGENT, session)

    return write


_lock: Final = _override({"model": "large", "lock": True}, "lock")


def _push_one(bus: EventBus, session: str) -> object:
    unit, stack = _stack(bus, session)
    stack.push(_row(session, "pushed"))
    return _lies(unit.save())


def _push_many(bus: EventBus, session: str) -> object:
    unit, stack = _stack(bus, session)
    stack.push(*(_row(session, f"pushed {n}") for n in range(5)))
    return _lies(unit.save())


def _with_call(bus: EventBus, session: str) -> None:
    _with_rows(bus, session)
    unit, stack = _stack(bus, session)
    named = {"tool_name": "search", "tool_call_id": "c1"}
    stack.push(({"type": "tool_call", **named}, {"arguments": {"q": "x"}}))
    unit.save()


def _push_result(bus: EventBus, session: str) -> object:
    unit, stack = _stack(bus, session)
    stack.push(_row(session, "result", type="tool_result", tool_call_id="c1"))
    return _lies(unit.save())


def _pop(bus: EventBus, session: str) -> object:
    """A pop names the row that it takes, so who repeats it looks whether that is still there."""
    unit, stack = _stack(bus, session)
    row = stack.current()
    if row is not None and row.header["ref"] == _ref(session, "row 3"):
        stack.pop()
        unit.save()
    return stack.length()


def _stack_checkout(bus: EventBus, session: str) -> object:
    unit, stack = _stack(bus, session)
    if stack.branch != "other":
        stack.checkout("other")
        unit.save()
    return unit.stack_for(AGENT).branch


def _register(bus: EventBus, session: str) -> object:
    unit = Session(bus, session)
    unit.register_agent("reader")
    unit.save()
    return unit.agents


def _unregister(bus: EventBus, session: str) -> object:
    unit = Session(bus, session)
    unit.unregister_agent("critic")
    unit.save()
    return unit.agents


def _open(bus: EventBus, session: str) -> object:
    unit = Session(bus, session)
    unit.open("a title")
    return unit.agents


def _close(bus: EventBus, session: str) -> object:
    unit = Session(bus, session)
    unit.close("all said")
    return unit.agents


def _tick(bus: EventBus, session: str) -> object:
    barrier = Session(bus, session).start_tick(0, ref=_ref(session, "tick"))
    return barrier.tick, barrier.agents


def _ticking(bus: EventBus, session: str) -> None:
    _with_rows(bus, session)
    Session(bus, session).start_tick(0)


def _ack(*, finished: bool) -> Callable[[EventBus, str], object]:
    def ack(bus: EventBus, session: str) -> object:
        unit = Session(bus, session)
        unit.ack(AGENT, 1, finished=finished)
        unit.save()
        barrier = unit.barrier()
        return barrier.waiting, barrier.live

    return ack


def _give_up(bus: EventBus, session: str) -> object:
    return _lies([Session(bus, session).give_up_tick(1, ref=_ref(session, "give up"))])


def _unit_of_work(bus: EventBus, session: str) -> object:
    """Said again, joining and leaving come to nothing, so only the rows are told of again."""
    unit, stack = _stack(bus, session)
    unit.register_agent("reader")
    stack.push(*(_row(session, f"worked {n}") for n in range(3)))
    unit.unregister_agent("critic")
    unit.ack(AGENT, 1)
    ours = {_ref(session, f"worked {n}") for n in range(3)}
    rows = [row for row in unit.save() if row.ref in ours]
    return _lies(rows), unit.agents, unit.barrier().waiting


OPERATIONS: Final[dict[str, Operation]] = {
    "publish": Operation(_nothing, _publish),
    "publish a large payload": Operation(_nothing, _publish_large),
    "publish many": Operation(_with_rows, _publish_many),
    "publish to several sessions": Operation(_nothing, _publish_to_several),
    "fork": Operation(_with_rows, _fork),
    "rewind": Operation(_with_rows, _rewind),
    "checkout": Operation(_with_branch, _checkout),
    "prune": Operation(_with_branches, _prune),
    "list a pruned branch again": Operation(_pruned, _unprune),
    "amend": Operation(_with_rows, _amend),
    "ask for an evaluation": Operation(_with_rows, _evaluate),
    "override": Operation(_nothing, _override({"model": "small"}, "override")),
    "lock an override": Operation(_nothing, _lock),
    "unlock an override": Operation(_lock, _override({"lock": False}, "unlock")),
    "push one": Operation(_with_rows, _push_one),
    "push many": Operation(_with_rows, _push_many),
    "push a linked result": Operation(_with_call, _push_result),
    "pop": Operation(_with_rows, _pop),
    "check a stack's branch out": Operation(_with_branch, _stack_checkout),
    "register": Operation(_with_rows, _register),
    "unregister": Operation(_with_rows, _unregister),
    "open": Operation(_nothing, _open),
    "close": Operation(_with_rows, _close),
    "tick": Operation(_with_rows, _tick),
    "ack": Operation(_ticking, _ack(finished=False)),
    "ack and finish": Operation(_ticking, _ack(finished=True)),
    "give a tick up": Operation(_ticking, _give_up),
    "unit of work": Operation(_ticking, _unit_of_work),
}
