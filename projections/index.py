"""The index: from a ref to its header, lean to filter by and full to return.

Only published artifacts have entries: they are what `bus.search` lists. Other events, such as
the request of an evaluation, are found by their ref in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.amended_view import amended_header
from eventstore.events import ArtifactAmended, ArtifactPublished
from eventstore.header_view import header_of, lean_of
from projections.rows import Rows, Wanted, encode
from projections.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys
    from projections.base import Read, State, Write


class Index:
    """`index`: ref -> lean header; `headers`: ref -> full header. Both JSON, a hash a session."""

    name = "index"
    families = frozenset({"index", "headers"})

    def needs(self, events: Sequence[Recorded], keys: ProjectionKeys) -> Sequence[Read]:
        """Return the reads of the headers that are amended; others are all their events say."""
        wanted = Wanted()
        for recorded in events:
            event = recorded.event
            if isinstance(event, ArtifactAmended):
                wanted.add(keys.headers(event.session_id), event.target)
        return wanted.reads()

    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        """Return the writes of both headers of every artifact, published or amended."""
        writes, rows = Writes(), Rows(state)
        for recorded in events:
            event = recorded.event
            key = keys.headers(event.session_id)
            if isinstance(event, ArtifactPublished):
                ref, header = event.ref, header_of(recorded)
            elif isinstance(event, ArtifactAmended) and (before := rows.get(key, event.target)):
                ref, header = event.target, amended_header(before, recorded)
            else:
                continue
            rows.put(key, ref, header)
            writes.set_field(keys.index(event.session_id), ref, encode(lean_of(header)))
        rows.write(writes)
        return writes.result()
