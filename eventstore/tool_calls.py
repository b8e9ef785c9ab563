"""Which call a tool's result answers: the nearest before it with its id and no answer yet. Pure.

Ids of tool calls repeat within a run, so an id alone names no call. A result without an id is
paired by the tool's name.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

PairingKey: TypeAlias = tuple[str, str]


class OpenCall(NamedTuple):
    """A call without an answer; `turn` names the message that made it, with others maybe."""

    turn: str
    ref: str
    name: str


class OpenCalls:
    """The calls that have no result yet, in the order in which they were made."""

    def __init__(self) -> None:
        self._calls: dict[PairingKey, list[OpenCall]] = {}

    def add(self, call_id: str | None, call: OpenCall) -> None:
        """Add a call, the latest so far."""
        self._calls.setdefault(pairing_key(call_id, call.name), []).append(call)

    def take(self, call_id: str | None, name: str | None) -> OpenCall | None:
        """Return the call that a result answers: of the nearest turn, and there the first."""
        calls = self._calls.get(pairing_key(call_id, name), [])
        if not calls:
            return None
        nearest = calls[-1].turn
        call = next(call for call in calls if call.turn == nearest)
        calls.remove(call)
        return call

    def discard(self, call_id: str | None, call: OpenCall) -> None:
        """Forget a call, if it is open."""
        key = pairing_key(call_id, call.name)
        calls = self._calls.get(key, [])
        if call in calls:
            calls.remove(call)
        if not calls:
            self._calls.pop(key, None)


def pairing_key(call_id: str | None, name: str | None) -> PairingKey:
    """Return what a call and its result have in common: the id, else the tool's name."""
    return ("id", call_id) if call_id else ("name", name or "")
