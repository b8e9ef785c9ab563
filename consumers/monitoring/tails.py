"""Whether the log still holds what was seen of it.

A server that comes back without its last events has lost the checkpoints that passed them as
well, so the store agrees with itself. Only who saw the head before can tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore import commands
from eventstore.flow import call

if TYPE_CHECKING:
    from eventstore.commands import Head
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys


class TailWatch:
    """Remembers where each partition ended, and says for good which of them went back."""

    def __init__(self) -> None:
        self.lost: dict[int, str] = {}
        self._seen: dict[int, Head] = {}

    async def look(self, access: StoreAccess) -> None:
        """Compare the log with what was seen of it, and remember where it ends now."""
        for head in await access.run(access.heads()):
            seen = self._seen.get(head.partition)
            if seen is not None and not await _holds(access, seen, head):
                self.lost[head.partition] = (
                    f"partition {head.partition}: it ends at {head.position}, and ended at "
                    f"{seen.position} before, with another history: events were lost"
                )
            self._seen[head.partition] = head


async def _holds(access: StoreAccess, seen: Head, head: Head) -> bool:
    if head.position == seen.position:
        return head.chain == seen.chain
    if head.position < seen.position:
        return False
    keys: Keys = access.partitions[seen.partition]
    found = await access.run(call(commands.events(keys, seen.position, seen.position, 1)))
    # What was trimmed since then is in the journal, which is not read for this.
    return not found or found[0].chain == seen.chain
