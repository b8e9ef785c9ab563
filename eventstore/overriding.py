"""Overrides: patches to an agent's configuration in one session, in one order, lockable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore.agent_config import agents, overridden
from eventstore.deciding import Asked, Deciding, Decision, deciding_agent, stamp
from eventstore.errors import AgentNotFound, InvalidEvent, OverrideLocked
from eventstore.flow import Flow, blocking, call
from eventstore.headers import INTEGER_BITS
from eventstore.json_values import check_json
from eventstore.lanes import LaneHead, lane_heads
from eventstore.moments import last_at
from eventstore.names import check_name
from eventstore.redact_hook import redacted_content
from eventstore.session_events import OverrideWritten
from eventstore.shown import shown

if TYPE_CHECKING:
    from eventstore.agent_config import AgentConfig
    from eventstore.codec import Recorded
    from eventstore.commands import Appended
    from eventstore.log import Log
    from eventstore.parts import Parts
    from eventstore.redact_hook import Redact

LOCK: Final = "lock"
_PAGE: Final = 500


class Override(NamedTuple):
    """What overrides an agent's configuration in a session, and whether it may be changed."""

    effective: Mapping[str, Any]
    locked: bool

    def patched(self, patch: Mapping[str, Any]) -> Override | None:
        """Return the override after a patch; None if a lock refuses it.

        Keys are replaced whole, and None removes one. `lock` is no key of the configuration:
        True locks after this patch, and False unlocks before it.
        """
        if self.locked and patch.get(LOCK) is not False:
            return None
        merged = {**self.effective, **patch}
        kept = {key: value for key, value in merged.items() if key != LOCK and value is not None}
        return Override(kept, bool(patch.get(LOCK, self.locked)))


NO_OVERRIDE: Final = Override({}, locked=False)


class Overriding:
    """The operations on overrides of a store. All are flows."""

    def __init__(self, parts: Parts, redact: Redact | None = None) -> None:
        self._redact = redact
        self._log: Log = parts.log
        self._deciding = Deciding(parts.log, parts.appender)

    def write(
        self, agent_id: str, session_id: str, patch: Mapping[str, Any], ref: str | None = None
    ) -> Flow[Appended]:
        """Append a patch; everyone's patches have one order, and none is lost.

        Raises `OverrideLocked`, `InvalidEvent`, `InvalidName` or `RedactionFailed`; nothing is
        written then.
        """
        check_patch(patch)
        agent_id = check_name("agent_id", agent_id)
        session_id = check_name("session_id", session_id)
        lane = override_lane(agent_id)
        where = {"session_id": session_id, "agent_id": agent_id}
        patch = redacted_content(self._redact, OverrideWritten, where, dict(patch))
        check_patch(patch)
        keys = self._log.keys_of(session_id)
        author = deciding_agent(None)

        def make(ref: str) -> Flow[Decision]:
            heads = yield from self._log.ready(lambda: call(lane_heads(keys, session_id, [lane])))
            after = override_at(heads[lane]).patched(patch)
            if after is None:
                raise OverrideLocked(session_id, agent_id)
            event = OverrideWritten(
                ref=ref,
                session_id=session_id,
                agent_id=agent_id,
                patch=patch,
                effective=dict(after.effective),
                locked=after.locked,
                meta={"author": author},
                **stamp(),
            )
            return Decision(event, heads.expect(lane))

        asked = Asked(
            OverrideWritten,
            {**where, "patch": patch},
        )
        return (yield from self._deciding.decide(ref, asked, make))

    def patch(
        self, agent_id: str, session_id: str, patch: Mapping[str, Any], ref: str | None
    ) -> Flow[bool]:
        """Append a patch as `write` does; return False, with nothing written, if it is locked."""
        try:
            yield from self.write(agent_id, session_id, patch, ref)
        except OverrideLocked:
            return False
        return True

    def read(
        self, agent_id: str, session_id: str, as_of: int | str | datetime | None = None
    ) -> Flow[Override]:
        """Return the override now, or as of a `seq` of the session or a time.

        A moment is what `eventstore.moments` says it is, for branches and overrides alike.
        """
        lane = override_lane(agent_id)
        keys = self._log.keys_of(session_id)
        head = (yield from call(lane_heads(keys, session_id, [lane])))[lane]
        if as_of is None:
            return override_at(head)
        if isinstance(as_of, str | datetime):
            last = yield from last_at(self._log, session_id, None, as_of)
        else:
            last = yield from last_at(self._log, session_id, as_of, None)
        if last is None or head.position is None:
            return NO_OVERRIDE
        if head.position <= last.position:
            return override_at(head)
        return (yield from self._last_before(agent_id, session_id, last.seq + 1))

    def _last_before(self, agent_id: str, session_id: str, end: int) -> Flow[Override]:
        """Return what the last patch before a seq left; walks the session backwards."""
        while end > 0:
            start = max(0, end - _PAGE)
            page = yield from self._log.read(session_id, from_seq=start, to_seq=end, backwards=True)
            for recorded in page:
                event = recorded.event
                if isinstance(event, OverrideWritten) and event.agent_id == agent_id:
                    return Override(event.effective, event.locked)
            end = start
        return NO_OVERRIDE

    def history(self, agent_id: str, session_id: str) -> Flow[list[dict[str, Any]]]:
        """Return the patches of an agent's override, oldest first; walks the session."""
        check_name("agent_id", agent_id)
        found: list[dict[str, Any]] = []
        first = 0
        while True:
            page: list[Recorded] = yield from self._log.read(
                session_id, from_seq=first, limit=_PAGE
            )
            found += [
                _history_row(recorded, recorded.event)
                for recorded in page
                if isinstance(recorded.event, OverrideWritten)
                and recorded.event.agent_id == agent_id
            ]
            if len(page) < _PAGE:
                return found
            first += _PAGE

    def effective_agent(self, agent_id: str, session_id: str) -> Flow[AgentConfig]:
        """Return an agent of `agents()` with its override merged in."""
        configured: AgentConfig = yield from blocking(_configured, agent_id)
        override = yield from self._log.ready(lambda: self.read(agent_id, session_id))
        where = f"override of {agent_id!r} in {session_id!r}"
        return overridden(configured, override.effective, where)


def _configured(agent_id: str) -> AgentConfig:
    for agent in agents():
        if agent.id == agent_id:
            return agent
    raise AgentNotFound(agent_id)


def _history_row(recorded: Recorded, event: OverrideWritten) -> dict[str, Any]:
    return {
        "ref": event.ref,
        "seq": recorded.seq,
        "ts": event.ts,
        "author": event.meta.get("author"),
        "patch": event.patch,
        "effective": event.effective,
        "locked": event.locked,
    }


def check_patch(patch: Any) -> None:
    """Raise `InvalidEvent` naming what no override can hold."""
    if not isinstance(patch, Mapping):
        raise InvalidEvent("patch", f"is a mapping of settings, not {type(patch).__name__}")
    for key in patch:
        if not (isinstance(key, str) and key):
            raise InvalidEvent("patch", f"a key is text that is not empty, not {shown(key)}")
    if not patch:
        raise InvalidEvent("patch", "is empty; name at least one key")
    if not isinstance(patch.get(LOCK, False), bool):
        raise InvalidEvent("patch.lock", "is True or False")
    check_json(dict(patch), "patch", INTEGER_BITS)


def override_lane(agent_id: str) -> str:
    """Return the lane of an agent's overrides. Raises `InvalidName`."""
    return f"override:{check_name('agent_id', agent_id)}"


def override_at(head: LaneHead) -> Override:
    """Return what the head of an override lane says."""
    if head.state is None:
        return NO_OVERRIDE
    return Override(head.state["effective"], head.state["locked"])
