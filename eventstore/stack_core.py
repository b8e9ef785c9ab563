"""An agent's stack as its twins share it: rows that wait, and rows that are saved.

The stack is that of one branch, the one that its agent worked on when the stack was taken. Rows
that wait are on top of it, and rows that a waiting pop hides are not on it any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eventstore.branching import check_exists
from eventstore.codec import Recorded
from eventstore.errors import InvalidEvent, InvalidInput, InvalidName
from eventstore.event import STACK_TYPES
from eventstore.events import ArtifactPublished, branch_lane, lineage_lane
from eventstore.header_view import header_of
from eventstore.intents import Pop, Push, agent_of, branch_of
from eventstore.names import check_name
from eventstore.operations import Row
from eventstore.payloads import payload_value, raw_payload
from eventstore.searching import check_limit
from eventstore.state_errors import NotOnStack, StackMoved
from eventstore.unit_search import last_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.drafts import Draft
    from eventstore.flow import Flow
    from eventstore.session_core import SessionCore

ASSISTANT = "assistant"
_UNKNOWN_YET = ("step_idx", "seq", "position")


class StackCore:
    """The rows of one agent on one branch, and what waits to be saved of them."""

    def __init__(self, session: SessionCore, agent_id: str, branch: str) -> None:
        self.agent_id = agent_id
        self.branch = branch
        self._session = session
        self._place = (session.session_id, agent_id)

    def push(self, states: Sequence[Any]) -> list[str]:
        """Have rows on top of the stack from the next save on; return their refs.

        All are checked before the first is taken.
        """
        pushes = [Push(self._draft(state, f"states[{n}]")) for n, state in enumerate(states)]
        self._session.intents += pushes
        return [push.event.ref for push in pushes]

    def _draft(self, state: Any, place: str) -> Draft:
        header, payload = state if isinstance(state, tuple) and len(state) == 2 else ({}, state)
        if not isinstance(header, Mapping):
            raise InvalidEvent(f"{place}.header", f"is a mapping, not {type(header).__name__}")
        ours = {
            "session_id": self._session.session_id,
            "agent_id": self.agent_id,
            "branch_id": self.branch,
        }
        for name, value in ours.items():
            if header.get(name, value) != value:
                raise InvalidEvent(
                    f"{place}.header.{name}", f"is that of the stack, {value!r}; leave it out"
                )
        fields = {"type": "state", **_role_of(header, payload), **header, **ours}
        if fields["type"] not in STACK_TYPES:
            types = ", ".join(sorted(STACK_TYPES))
            raise InvalidEvent(
                f"{place}.header.type", f"a stack has rows of the types {types}; publish others"
            )
        try:
            return self._session.operations.build(fields, payload)
        except InvalidEvent as error:
            raise InvalidEvent(f"{place}.{error.field}", error.problem) from None
        except InvalidName as error:
            raise InvalidName(f"{place}.{error.what}", error.problem) from None

    def pop(self) -> Flow[Row]:
        """Have the last row hidden from the next save on, and return it.

        A row that waits is taken back instead. Raises `NotOnStack` if the stack is empty,
        `BranchNotFound` if its branch is not there.
        """
        waiting = self._waiting()
        if waiting:
            ours = [id(each) for each in self._session.intents].index(id(waiting[-1]))
            del self._session.intents[ours]
            return _row_of(waiting[-1])
        heads = yield from self._session.heads(lineage_lane(self.branch), branch_lane(self.branch))
        check_exists(heads, self._session.session_id, self.branch)
        popped = self._popped()
        rows = yield from last_rows(
            self._session.log, self._session.session_id, heads, self.branch, self.agent_id,
            len(popped) + 1,
        )  # fmt: skip
        if rows[: len(popped)] != [pop.row for pop in popped]:
            raise StackMoved(*self._place, f"rows were pushed to or taken from {self.branch!r}")
        if len(rows) == len(popped):
            raise NotOnStack(self.agent_id, self.branch, "there is no row to pop")
        operations = self._session.operations
        row = yield from self._session.log.ready(lambda: operations.get(rows[-1].ref))
        common = {**self._session.common(self.agent_id), "branch_id": self.branch}
        self._session.intents.append(Pop(common, rows[-1]))
        return row

    def check_out(self, branch: str) -> None:
        """Have the agent work on another branch from the next save on, and show that one."""
        self._session.check_out(self.agent_id, branch)
        self.branch = check_name("branch", branch)

    def length(self) -> Flow[int]:
        """Return how many rows there are."""
        saved = yield from self._session.log.ready(
            lambda: self._session.stacks.length(
                self._session.session_id, self.branch, self.agent_id, len(self._popped())
            )
        )
        return saved + len(self._waiting())

    def current(self) -> Flow[Row | None]:
        """Return the last row, None on an empty stack."""
        rows = yield from self.last(1)
        return rows[0] if rows else None

    def at(self, depth: int) -> Flow[Row]:
        """Return the row at a place, from 0, the oldest; from -1, the last, backwards."""
        if isinstance(depth, bool) or not isinstance(depth, int):
            raise InvalidInput(f"depth: a whole number, not {type(depth).__name__}")
        waiting = self._waiting()
        lengths: list[int] = []

        def chosen(saved: int) -> tuple[int, int]:
            lengths.append(saved + len(waiting))
            place = depth if depth >= 0 else lengths[-1] + depth
            return place, place + 1

        rows = yield from self._saved(chosen)
        length = lengths[-1]
        place = depth if depth >= 0 else length + depth
        if not 0 <= place < length:
            problem = f"depth {depth} is not among 0-{length - 1}" if length else "it has no rows"
            raise NotOnStack(self.agent_id, self.branch, problem)
        return rows[0] if rows else _row_of(waiting[place - length])

    def last(self, n: int) -> Flow[list[Row]]:
        """Return the last `n` rows, oldest first."""
        check_limit(n, "n")
        waiting = [_row_of(push) for push in self._waiting()][-n:] if n else []
        more = n - len(waiting)
        saved = (yield from self._saved(lambda length: (length - more, length))) if more else []
        return saved + waiting

    def last_of_role(self, role: str) -> Flow[Row | None]:
        """Return the last row that has a role, however far back it is; None if there is none."""
        for push in reversed(self._waiting()):
            if push.event.role == role:
                return _row_of(push)
        return (
            yield from self._session.log.ready(
                lambda: self._session.stacks.last_of_role(
                    self._session.session_id, self.branch, self.agent_id, role, len(self._popped())
                )
            )
        )

    def _saved(self, chosen: Any) -> Flow[list[Row]]:
        return (
            yield from self._session.log.ready(
                lambda: self._session.stacks.rows(
                    self._session.session_id, self.branch, self.agent_id, chosen,
                    len(self._popped()),
                )
            )
        )  # fmt: skip

    def _waiting(self) -> list[Push]:
        intents = self._session.intents
        return [each for each in intents if isinstance(each, Push) and self._is_ours(each)]

    def _popped(self) -> list[Pop]:
        intents = self._session.intents
        return [each for each in intents if isinstance(each, Pop) and self._is_ours(each)]

    def _is_ours(self, intent: Push | Pop) -> bool:
        return (agent_of(intent), branch_of(intent)) == (self.agent_id, self.branch)


def _role_of(header: Mapping[str, Any], payload: Any) -> dict[str, str]:
    """Return the role that a chat message says, as the header field; nothing for other rows."""
    if header.get("type", "state") != "state" or not isinstance(payload, dict):
        return {}
    try:
        return {"role": check_name("role", payload.get("role"))}
    except InvalidName:
        return {}


def _row_of(push: Push) -> Row:
    """Return a row that waits as a reader will get it; what only the log can say is left out."""
    event, item = push.event, push.item
    assert isinstance(event, ArtifactPublished)
    assert event.payload is not None
    header = header_of(Recorded(event, 0, 0, 0, 0, 0, "", ""))
    for name in _UNKNOWN_YET:
        del header[name]
    raw = raw_payload(event.payload, item.data, "a row that waits")
    return Row(header, payload_value(event.payload, raw))
