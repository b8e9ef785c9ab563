"""Refs that were trimmed with their events, as an append meets them again: known, from the journal.

A publish that is sent again, or an import that is run again, finds its own success however long
ago its events were trimmed from the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore import commands
from eventstore.commands import Appended
from eventstore.errors import RefConflict
from eventstore.flow import Flow, call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.drafts import Draft
    from eventstore.keys import Keys
    from eventstore.log_reader import LogReader


def trimmed_rows(
    reader: LogReader, keys: Keys, drafts: Sequence[Draft], upto: int
) -> Flow[dict[str, Appended]]:
    """Return where those drafts lie, by ref, whose events were trimmed up to a position.

    Raises `RefConflict` if one was appended with other content, and what `LogReader` raises of
    what was trimmed.
    """
    if not upto or not drafts:
        return {}
    digests = {item.event.ref: item.digest for item in drafts}
    places = yield from reader.places(keys, list(digests), upto)
    changed = [ref for ref, place in places.items() if place.digest != digests[ref]]
    if changed:
        raise RefConflict(changed)
    events = yield from reader.at_positions(keys, [place.position for place in places.values()])
    return {
        each.event.ref: Appended(each.event.ref, each.position, each.seq, each.index)
        for each in events
    }


def trimmed_rows_now(
    reader: LogReader, keys: Keys, drafts: Sequence[Draft]
) -> Flow[dict[str, Appended]]:
    """Return what `trimmed_rows` does, up to what was trimmed by now."""
    upto = yield from call(commands.trimmed(keys))
    return (yield from trimmed_rows(reader, keys, drafts, upto))
