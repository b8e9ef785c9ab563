"""What a subscriber is given: an event with its payload, and the keys it may write beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventstore.consuming.apply import fits
from eventstore.consuming.given import GivenEvent
from eventstore.consuming.writes import Write
from eventstore.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventstore.codec import Recorded
    from eventstore.keys import SubscriberKeys

_NOT_WRITES: Final = "a handler returns None or the writes to make, each an eventstore.Write"


class Delivered(GivenEvent):
    """An event of the log as a subscriber is given it.

    Its payload is None if it has none, or payloads were not asked for.
    """

    def __init__(self, recorded: Recorded, payload: Any, state: SubscriberKeys) -> None:
        super().__init__(recorded, payload)
        self._state = state

    def state_key(self, *names: str) -> str:
        """Return a key of the group's own state in this partition, for writes of a handler."""
        return self._state.of(*names)

    def check_writes(self, returned: Iterable[Write] | None) -> tuple[Write, ...]:
        """Return the writes that a handler returned for this event.

        Raises `InvalidInput` for what is no write, or not to the group's own state here.
        """
        if returned is None:
            return ()
        if isinstance(returned, (str, bytes, Write)):
            raise InvalidInput(f"{self!r}: {_NOT_WRITES}, in a list; not {returned!r}")
        try:
            writes = tuple(returned)
        except TypeError:
            raise InvalidInput(f"{self!r}: {_NOT_WRITES}; not {returned!r}") from None
        for write in writes:
            if not isinstance(write, Write):
                raise InvalidInput(f"{self!r}: {_NOT_WRITES}; not {write!r}")
            if not write.key.startswith(self._state.prefix):
                raise InvalidInput(
                    f"{self!r}: a write to {write.key!r}, which is not the group's own here; "
                    "spell keys with event.state_key(…)"
                )
        if not fits(writes):
            raise InvalidInput(f"{self!r}: more writes than one event may make")
        return writes
