"""Events that were read a moment ago, decoded once for all groups of a worker."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeAlias

from eventstore.codec import decode_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded

_KEPT: Final = 2_000
_Entry: TypeAlias = "tuple[bytes, Sequence[bytes]]"


class RecentEvents:
    """Decodes entries of the log, and remembers the last `_KEPT` of them.

    The groups of a worker read the same entries one after the other, and decoding is most of
    what they do with one. An entry that is read again is known by its id and its chain, which
    stand for one event and its whole history. Events are immutable, so they are shared.
    """

    def __init__(self) -> None:
        # Not a dict: its first key is the slower to find the more were taken before it.
        self._known: OrderedDict[tuple[int, bytes, bytes], Recorded] = OrderedDict()

    def decode(self, partition: int, entry: _Entry) -> Recorded:
        """Return the event that an entry holds; raises as `decode_entry` does."""
        entry_id, values = entry
        place = (partition, entry_id, values[-1] if values else b"")
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = decode_entry(partition, entry)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return known
