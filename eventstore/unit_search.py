"""What a unit of work needs to know of the rows on its branches, looked up in the log. Flows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from eventstore.events import branch_lane, lineage_lane
from eventstore.intents import Pop, Push, agent_of, branch_of
from eventstore.lineage import history
from eventstore.stack_search import StackRow, Wanted, look_back, turn_of
from eventstore.tool_calls import OpenCall, OpenCalls, pairing_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.flow import Flow
    from eventstore.intents import Intent
    from eventstore.lanes import Heads
    from eventstore.lineage import History
    from eventstore.log import Log
    from eventstore.stack_search import Found
    from eventstore.tool_calls import PairingKey


def search_branch(log: Log, heads: Heads, intents: Sequence[Intent], branch: str) -> Flow[Found]:
    """Return the rows that pops hide and the calls that results answer, of one branch."""
    session_id = _session_of(intents)
    of_branch = [intent for intent in intents if branch_of(intent) == branch]
    pops = [intent for intent in of_branch if isinstance(intent, Pop)]
    wanted = Wanted(
        history=shown_by(heads, branch),
        rows=Counter(agent_of(pop) for pop in pops),
        calls=_unanswered([each for each in of_branch if isinstance(each, Push)]),
        popped={pop.row.ref for pop in pops},
    )
    return (yield from log.ready(lambda: look_back(log, session_id, heads.seq or 0, wanted)))


def last_rows(
    log: Log, session_id: str, heads: Heads, branch: str, agent_id: str, count: int
) -> Flow[list[StackRow]]:
    """Return an agent's last so many rows on a branch, the last one first."""
    wanted = Wanted(history=shown_by(heads, branch), rows={agent_id: count})
    found = yield from log.ready(lambda: look_back(log, session_id, heads.seq or 0, wanted))
    return found.rows[agent_id]


def shown_by(heads: Heads, branch: str) -> History:
    """Return what a branch shows, by the heads of its two lanes."""
    return history(heads[lineage_lane(branch)].lineage, branch, heads[branch_lane(branch)].next)


def _unanswered(pushes: Sequence[Push]) -> Counter[PairingKey]:
    """Return how many results, by key, answer no call that is pushed before them."""
    calls = OpenCalls()
    missing: Counter[PairingKey] = Counter()
    for push in pushes:
        event = push.event
        if event.type == "tool_call":
            call = OpenCall(turn_of(event), event.ref, event.tool_name or "")
            calls.add(event.tool_call_id, call)
        elif push.wants_call and calls.take(event.tool_call_id, event.tool_name) is None:
            missing[pairing_key(event.tool_call_id, event.tool_name)] += 1
    return missing


def _session_of(intents: Sequence[Intent]) -> str:
    first = intents[0]
    session: str = first.event.session_id if isinstance(first, Push) else first.common["session_id"]
    return session
