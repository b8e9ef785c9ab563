"""The timeline: a session's artifacts by event time, whole and by tag, type, agent and branch.

A score is the event time in ms. A member is the position in 16 hex digits, a colon and the ref:
the server orders members of one score as text, so artifacts of one millisecond keep the order
of the log. Bare refs would not do: two processes' refs of one millisecond order at random, and
an event's time may be any, its ref's is that of its making.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.events import ArtifactAmended, ArtifactPublished
from eventstore.header_view import tags_of
from eventstore.times import to_milliseconds
from projections.base import Read
from projections.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys
    from projections.base import State, Write


class Timeline:
    """`timeline`, `tag:<t>`, `type:<t>`, `agent:<a>`, `on:<b>`: sorted sets of a session.

    The tags of an artifact are those in its meta, and its type.
    """

    name = "timeline"
    families = frozenset({"timeline", "tag", "type", "agent", "on"})

    def needs(self, events: Sequence[Recorded], keys: ProjectionKeys) -> Sequence[Read]:
        """Return the reads that find the members of artifacts whose tags are amended."""
        amended = [each.event for each in events if isinstance(each.event, ArtifactAmended)]
        reads = (_of_moment(event.session_id, event.published_ts, keys) for event in amended)
        return [read for read in dict.fromkeys(reads) if read is not None]

    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        """Return the writes that add every artifact to its sorted sets, and move amended ones."""
        writes = Writes()
        # Neighbours in the log are mostly of a few sorts: their keys are spelled once a batch.
        sets: dict[tuple[str, ...], list[str]] = {}
        added: dict[str, str] = {}
        for recorded in events:
            event = recorded.event
            if isinstance(event, ArtifactAmended):
                member = added.get(event.target) or _member_in(state, event, keys)
                if member is not None:
                    _tag_anew(writes, event, member, keys)
                continue
            if not isinstance(event, ArtifactPublished):
                continue
            tags = tuple(tags_of(event.meta))
            sort = (event.session_id, event.type, event.agent_id, event.branch_id, *tags)
            if sort not in sets:
                sets[sort] = list(_sets_of(event, tags, keys))
            member, score = member_of(recorded), to_milliseconds(event.ts)
            added[event.ref] = member
            for key in sets[sort]:
                writes.set_score(key, member, score)
        return writes.result()


def _of_moment(session_id: str, ts: str | None, keys: ProjectionKeys) -> Read | None:
    """Return the read of a session's artifacts that have an event time."""
    if ts is None:
        return None
    moment = str(to_milliseconds(ts))
    return Read("ZRANGEBYSCORE", keys.timeline(session_id), (moment, moment))


def _member_in(state: State, event: ArtifactAmended, keys: ProjectionKeys) -> str | None:
    """Return the member of an amended artifact among those of its event time."""
    read = _of_moment(event.session_id, event.published_ts, keys)
    ending = f":{event.target}".encode()
    members: list[bytes] = [] if read is None else state[read]
    return next((member.decode() for member in members if member.endswith(ending)), None)


def _tag_anew(writes: Writes, event: ArtifactAmended, member: str, keys: ProjectionKeys) -> None:
    assert event.published_ts is not None
    score = to_milliseconds(event.published_ts)
    for tag in event.untagged:
        writes.remove_member(keys.tag(event.session_id, tag), member)
    for tag in tags_of(event.meta):
        writes.set_score(keys.tag(event.session_id, tag), member, score)


def member_of(recorded: Recorded) -> str:
    """Return what stands for an event in a sorted set."""
    return f"{recorded.position:016x}:{recorded.event.ref}"


def _sets_of(
    event: ArtifactPublished, tags: tuple[str, ...], keys: ProjectionKeys
) -> Iterator[str]:
    session_id = event.session_id
    yield keys.timeline(session_id)
    yield keys.type(session_id, event.type)
    yield keys.agent(session_id, event.agent_id)
    yield keys.on_branch(session_id, event.branch_id)
    for tag in {event.type: None, **dict.fromkeys(tags)}:
        yield keys.tag(session_id, tag)
