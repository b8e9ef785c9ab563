"""Which refs are known, and where their events lie: on the server, or trimmed to the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore import commands
from eventstore.flow import Flow, call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.keys import Keys
    from eventstore.log import Log


def known_positions(log: Log, keys: Keys, refs: Sequence[str]) -> Flow[dict[str, int]]:
    """Return the positions of those refs that a partition knows. A flow."""
    if not refs:
        return {}
    found = yield from call(commands.find_refs(keys, refs))
    known = {ref: hit[0] for ref, hit in zip(refs, found, strict=True) if hit is not None}
    missing = [ref for ref in refs if ref not in known]
    if missing:
        # After the refs: what is in neither was trimmed before, and this says up to where.
        upto = yield from call(commands.trimmed(keys))
        places = yield from log.reader.places(keys, missing, upto)
        known.update((ref, place.position) for ref, place in places.items())
    return known
