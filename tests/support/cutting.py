"""Flows performed step by step: cut short anywhere, as by a kill, or held up and taken on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.errors import EventStoreError

if TYPE_CHECKING:
    from eventstore.flow import Flow
    from eventstore.store import EventStore


class Steps:
    """A flow in the hands of a test."""

    def __init__(self, store: EventStore, flow: Flow[Any]) -> None:
        self._store = store
        self._flow = flow
        self._step: Any = None

    def go(self, steps: int) -> bool:
        """Perform so many more steps, or all that are left; return whether that was the end."""
        try:
            if self._step is None:
                self._step = next(self._flow)
            for _ in range(steps):
                self._perform()
        except StopIteration:
            return True
        return False

    def _perform(self) -> None:
        try:
            result = self._store.runner._perform(self._step)
        except EventStoreError as error:
            self._step = self._flow.throw(error)
        else:
            self._step = self._flow.send(result)


def perform(store: EventStore, flow: Flow[Any], steps: int) -> bool:
    """Perform so many steps of a flow and leave it there; return whether that was its end."""
    ended = Steps(store, flow).go(steps)
    flow.close()
    return ended
