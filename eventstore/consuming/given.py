"""An event of the log as a consumer of an application's is given it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from eventstore.header_view import header_of

if TYPE_CHECKING:
    from eventstore.codec import Recorded
    from eventstore.event import Event, Fields


class GivenEvent:
    """An event and its payload: `recorded` is the event as the log holds it."""

    def __init__(self, recorded: Recorded, payload: Any) -> None:
        self.recorded = recorded
        self.payload = payload

    def __repr__(self) -> str:
        event = self.recorded.event
        return f"<{event.kind} {event.ref} at {self.partition}:{self.position}>"

    @cached_property
    def header(self) -> Fields:
        """The public header, as `bus.get` returns it."""
        return header_of(self.recorded)

    @property
    def event(self) -> Event:
        """The event itself, an object of its kind."""
        return self.recorded.event

    @property
    def kind(self) -> str:
        """The kind of the event, for example `artifact.published`."""
        return self.recorded.event.kind

    @property
    def ref(self) -> str:
        """The name of the event: the same at every delivery."""
        return self.recorded.event.ref

    @property
    def session_id(self) -> str:
        """The session, in whose order the events of one come."""
        return self.recorded.event.session_id

    @property
    def partition(self) -> int:
        """The partition, counted from 0."""
        return self.recorded.partition

    @property
    def position(self) -> int:
        """The position in the partition, counted from 1."""
        return self.recorded.position
