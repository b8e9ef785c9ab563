"""Overrides: patches to an agent's configuration in one session, in one order, lockable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore.deciding import Asked, Decision, deciding_agent, stamp
from eventstore.errors import InvalidEvent, InvalidInput, OverrideLocked
from eventstore.flow import Flow, call
from eventstore.json_values import check_json
from eventstore.lanes import LaneHead, lane_heads
from eventstore.names import check_name
from eventstore.session_events import OverrideWritten
from eventstore.times import parse_timestamp

if TYPE_CHECKING:
    from datetime import datetime

    from eventstore.codec import Recorded
    from eventstore.commands import Appended
    from eventstore.deciding import Deciding
    from eventstore.log import Log

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
    """The operations on overrides of a store."""

    def __init__(self, log: Log, deciding: Deciding) -> None:
        self._log = log
        self._deciding = deciding

    def write(
        self, agent_id: str, session_id: str, patch: Mapping[str, Any], ref: str | None = None
    ) -> Flow[Appended]:
        """Append a patch; everyone's patches have one order, and none is lost.

        Raises `OverrideLocked`, `InvalidEvent` or `InvalidName`; nothing is written then.
        """
        check_patch(patch)
        lane = override_lane(agent_id)
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
                patch=dict(patch),
                effective=dict(after.effective),
                locked=after.locked,
                meta={"author": author},
                **stamp(),
            )
            return Decision(event, heads.expect(lane))

        asked = Asked(
            OverrideWritten,
            {"session_id": session_id, "agent_id": agent_id, "patch": dict(patch)},
        )
        return (yield from self._deciding.decide(ref, asked, make))

    def read(
        self, agent_id: str, session_id: str, as_of: int | str | datetime | None = None
    ) -> Flow[Override]:
        """Return the override now, or as of a `seq` of the session or a time.

        As of a seq, the event of that seq counts; as of a time, what was written until then.
        """
        lane = override_lane(agent_id)
        keys = self._log.keys_of(session_id)
        heads = yield from call(lane_heads(keys, session_id, [lane]))
        if as_of is None or heads[lane].next == 0:
            return override_at(heads[lane])
        moment, last = _moment(as_of)
        override = NO_OVERRIDE
        for recorded in (yield from self.history(agent_id, session_id, to_seq=last)):
            event = recorded.event
            assert isinstance(event, OverrideWritten)
            if moment is None or event.ts <= moment:
                override = Override(event.effective, event.locked)
        return override

    def history(
        self, agent_id: str, session_id: str, to_seq: int | None = None
    ) -> Flow[list[Recorded]]:
        """Return the events that wrote an agent's override, oldest first; walks the session."""
        check_name("agent_id", agent_id)
        found: list[Recorded] = []
        first = 0
        while to_seq is None or first < to_seq:
            page: list[Recorded] = yield from self._log.read(
                session_id, from_seq=first, to_seq=to_seq, limit=_PAGE
            )
            found += [each for each in page if _overrides(each, agent_id)]
            if len(page) < _PAGE:
                break
            first += _PAGE
        return found


def check_patch(patch: Any) -> None:
    """Raise `InvalidEvent` naming what no override can hold."""
    if not isinstance(patch, Mapping):
        raise InvalidEvent("patch", f"is a mapping of settings, not {type(patch).__name__}")
    for key in patch:
        if not (isinstance(key, str) and key):
            raise InvalidEvent("patch", f"a key is text that is not empty, not {key!r}")
    if not patch:
        raise InvalidEvent("patch", "is empty; name at least one key")
    if not isinstance(patch.get(LOCK, False), bool):
        raise InvalidEvent("patch.lock", "is True or False")
    check_json(dict(patch), "patch")


def override_lane(agent_id: str) -> str:
    """Return the lane of an agent's overrides. Raises `InvalidName`."""
    return f"override:{check_name('agent_id', agent_id)}"


def override_at(head: LaneHead) -> Override:
    """Return what the head of an override lane says."""
    if head.state is None:
        return NO_OVERRIDE
    return Override(head.state["effective"], head.state["locked"])


def _moment(as_of: int | str | datetime) -> tuple[str | None, int | None]:
    """Return the time and the end of the seqs that `as_of` names."""
    if isinstance(as_of, bool):
        raise InvalidInput("as_of: a seq or a time, not a truth value")
    if isinstance(as_of, int):
        if as_of < 0:
            raise InvalidInput(f"as_of: seqs count from 0, {as_of} is below it")
        return None, as_of + 1
    return parse_timestamp(as_of, "as_of"), None


def _overrides(recorded: Recorded, agent_id: str) -> bool:
    event = recorded.event
    return isinstance(event, OverrideWritten) and event.agent_id == agent_id
