"""Every Redis key of a store, spelled here and nowhere else.

All keys of a partition share the hash tag `{<namespace>:<p>}:`; users' names in them are escaped.

key                          type    written by          what
meta                         hash    append, establish,  uuid, partitions, epoch, state, sealing,
                                     open, admit, readd, run_id, replid, head, chain, payload_bytes,
                                     apply (payloads),   count:<type>, stored:file, stored:digest,
                                     trim                trimmed, trimmed_ms
stream:artifacts             stream  append              the log of the partition
refs                         hash    append              ref (16 B) -> position, digest (8 B each)
sessions                     zset    append              sessions by time of last append, ms
session:<s>                  hash    append, trim        seq, next:<lane>, head:<lane>, trimmed
session:<s>:log              list    append              positions of its events, by seq
payload:<ref>                string  append              payload until the payload group stored it
checkpoints                  hash    apply, begin, …     group[@…] -> generation:position:chain
lease:<group>                string  lease               token:beat of the group's owner
progress:<group>             stream  apply               one entry whose id is the position
payload:digests              hash    apply (payloads)    digest of a large payload -> position
payload:missing              hash    readd               ref -> position: lost with a server
opening                      string  lease               token:beat of who verifies; in one only
ticks:open                   zset    apply (ticks)       <tick>:<session> by when it is overdue, ms
workers                      zset    heartbeat           live workers by time; partition 0 only
workers:reports              hash    workers             worker -> its faults (JSON); the same
subscribers                  hash    subscribe, delete   subscriber group -> how it began (JSON)
members:<group>              zset    heartbeat           live members by time; partition 0 only
sub:<group>:<name>[:<name>…] any     apply (subscribers) what a subscriber keeps for itself
[g<n>:]parked:<group>        zset    apply, settle, …    positions that the group left out
    …:items, …:sessions      hash, zset                  why (JSON); <session>:<position, 16 hex>
work:<group>                 stream  dispatch, unpark    work that is ready, or in somebody's hands
work:<group>:due             zset    settle, dispatch    <position>:<attempts> by when it is due, ms
work:<group>:seats           hash    seat                consumer -> token:ms; partition 0 only
competing                    hash    dispatch            group -> which events it takes (JSON)

[g<n>:]artifacts:<s>:index, :headers                                hash   index group
[g<n>:]artifacts:<s>:timeline, :tag:<t>, :type:<t>, :agent:<a>, :on:<b>   zset   timeline group
[g<n>:]artifacts:<s>:branch:<b>, :lineage:<b>, :stack:<b>:<a>, :branches  zset, hash  branch group
[g<n>:]artifacts:<s>:evaluations, :scores, :leaderboard  hash, hash, zset   evaluation group
[g<n>:]artifacts:<s>:<family>[:<name>…]                  any    a projection of another project
`g<n>:` is the generation that a rebuild wrote; the first has no infix.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from eventstore.names import check_name, escape

FIRST_GENERATION: Final = 1
_ARTIFACTS: Final = "artifacts:"
_GLOB: Final = re.compile(r"[\\*?\[\]]")


def partition_of(session_id: str, partitions: int) -> int:
    """Return the partition that holds a session's events."""
    return zlib.crc32(session_id.encode()) % partitions


def event_sequence_key(conversation_id: str, agent_id: str) -> str:
    """Return the key under which applications, not the store, count an agent's events."""
    return f"conversation:{conversation_id}:{agent_id}:event_sequence"


def entry_id(position: int) -> str:
    """Return the stream id of a position; a bare number would mean `<n>-0` to Redis."""
    return f"0-{position:d}"


def position_of(entry: bytes) -> int:
    """Return the position that a stream id of the log stands for."""
    return int(entry.partition(b"-")[2])


class _Fixed:
    """A key of a partition that has no name of a user's in it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, keys: Keys, owner: type[Keys]) -> str:
        return keys.prefix + self._name


@dataclass(frozen=True)
class Keys:
    """The keys of one partition."""

    namespace: str
    partition: int

    meta = _Fixed("meta")
    stream = _Fixed("stream:artifacts")
    refs = _Fixed("refs")
    open_ticks = _Fixed("ticks:open")
    sessions = _Fixed("sessions")
    checkpoints = _Fixed("checkpoints")
    workers = _Fixed("workers")
    subscribers = _Fixed("subscribers")
    competing = _Fixed("competing")

    def __post_init__(self) -> None:
        check_name("namespace", self.namespace)

    @cached_property
    def prefix(self) -> str:
        return f"{{{escape(self.namespace)}:{self.partition}}}:"

    @cached_property
    def worker_reports(self) -> str:
        return f"{self.prefix}workers:reports"

    @cached_property
    def payload_digests(self) -> str:
        # No ref is spelled `digests`, so no payload's key is.
        return f"{self.prefix}payload:digests"

    @cached_property
    def payload_missing(self) -> str:
        return f"{self.prefix}payload:missing"

    @cached_property
    def opening(self) -> str:
        # Not a lease of that name: a group may be called so.
        return f"{self.prefix}opening"

    def session(self, session_id: str) -> str:
        return f"{self.prefix}session:{escape(session_id)}"

    @property
    def sessions_pattern(self) -> str:
        """The pattern of SCAN that the keys of all sessions match."""
        return _GLOB.sub(r"\\\g<0>", self.prefix) + "session:*"

    def session_log(self, session_id: str) -> str:
        return f"{self.prefix}session:{escape(session_id)}:log"

    def payload(self, ref: str) -> str:
        return f"{self.prefix}payload:{ref}"

    def lease(self, group: str) -> str:
        return f"{self.prefix}lease:{escape(group)}"

    def progress(self, group: str) -> str:
        return f"{self.prefix}progress:{escape(group)}"

    def members(self, group: str) -> str:
        return f"{self.prefix}members:{escape(group)}"

    def subscriber(self, group: str) -> SubscriberKeys:
        """Return the keys that a subscriber group writes for itself."""
        return SubscriberKeys(f"{self.prefix}sub:{escape(group)}:")

    def work(self, group: str) -> WorkKeys:
        """Return the keys of a competing group's work."""
        return WorkKeys(f"{self.prefix}work:{escape(group)}")

    def parked(self, group: str, generation: int = FIRST_GENERATION) -> ParkedKeys:
        """Return the keys of what a group gave up, in one generation of it."""
        return ParkedKeys(f"{self.prefix}{_infix(generation)}parked:{escape(group)}")

    def projection(self, generation: int = FIRST_GENERATION) -> ProjectionKeys:
        """Return the keys that projections write, in one generation."""
        return ProjectionKeys(f"{self.prefix}{_infix(generation)}{_ARTIFACTS}")


def _infix(generation: int) -> str:
    return "" if generation == FIRST_GENERATION else f"g{generation:d}:"


@dataclass(frozen=True)
class ParkedKeys:
    """The keys of the events that a group gave up in one partition and generation."""

    positions: str

    @property
    def items(self) -> str:
        return f"{self.positions}:items"

    @property
    def sessions(self) -> str:
        return f"{self.positions}:sessions"

    @property
    def all(self) -> tuple[str, str, str]:
        return (self.positions, self.items, self.sessions)

    def in_session(self, session_id: str, position: int) -> str:
        """Return the member of `sessions` that stands for an event."""
        return f"{escape(session_id)}:{position:016x}"

    def of_session(self, session_id: str) -> tuple[str, str]:
        """Return the bounds, for ZLEXCOUNT, of the members of one session."""
        # `;` follows `:` in ASCII, so what lies between begins with the name and a colon.
        return f"[{escape(session_id)}:", f"({escape(session_id)};"


@dataclass(frozen=True)
class WorkKeys:
    """The keys of a competing group's work in one partition."""

    stream: str

    @property
    def due(self) -> str:
        return f"{self.stream}:due"

    @property
    def seats(self) -> str:
        return f"{self.stream}:seats"


@dataclass(frozen=True)
class SubscriberKeys:
    """The keys that a subscriber group writes in one partition: its own state."""

    prefix: str

    @property
    def pattern(self) -> str:
        """The pattern of SCAN that all these keys match."""
        return _GLOB.sub(r"\\\g<0>", self.prefix) + "*"

    def of(self, *names: str) -> str:
        """Return the key of a name, or of a path of names."""
        return self.prefix + ":".join(map(escape, names))


@dataclass(frozen=True)
class ProjectionKeys:
    """The keys that projections write in one partition and generation."""

    prefix: str

    def _of(self, session_id: str, *parts: str) -> str:
        return ":".join((self.prefix + escape(session_id), *parts))

    @property
    def pattern(self) -> str:
        """The pattern of SCAN that all these keys match."""
        return _GLOB.sub(r"\\\g<0>", self.prefix) + "*"

    def parked(self, group: str) -> ParkedKeys:
        """Return the keys of what a projection left out in this generation."""
        return ParkedKeys(f"{self.prefix.removesuffix(_ARTIFACTS)}parked:{escape(group)}")

    def family_of(self, key: str) -> str | None:
        """Return the segment behind the session, None if the key is none of these."""
        parts = key.removeprefix(self.prefix).split(":")
        return parts[1] if key.startswith(self.prefix) and len(parts) > 1 else None

    def of_family(self, family: str, session_id: str, *names: str) -> str:
        """Return a key of a projection of another project, which has families of its own."""
        return self._of(session_id, escape(family), *map(escape, names))

    def index(self, session_id: str) -> str:
        return self._of(session_id, "index")

    def headers(self, session_id: str) -> str:
        return self._of(session_id, "headers")

    def timeline(self, session_id: str) -> str:
        return self._of(session_id, "timeline")

    def tag(self, session_id: str, tag: str) -> str:
        return self._of(session_id, "tag", escape(tag))

    def type(self, session_id: str, type_: str) -> str:
        return self._of(session_id, "type", escape(type_))

    def agent(self, session_id: str, agent_id: str) -> str:
        return self._of(session_id, "agent", escape(agent_id))

    def on_branch(self, session_id: str, branch_id: str) -> str:
        return self._of(session_id, "on", escape(branch_id))

    def branch(self, session_id: str, branch_id: str) -> str:
        return self._of(session_id, "branch", escape(branch_id))

    def lineage(self, session_id: str, branch_id: str) -> str:
        return self._of(session_id, "lineage", escape(branch_id))

    def stack(self, session_id: str, branch_id: str, agent_id: str) -> str:
        return self._of(session_id, "stack", escape(branch_id), escape(agent_id))

    def branches(self, session_id: str) -> str:
        return self._of(session_id, "branches")

    def evaluations(self, session_id: str) -> str:
        return self._of(session_id, "evaluations")

    def scores(self, session_id: str) -> str:
        return self._of(session_id, "scores")

    def leaderboard(self, session_id: str) -> str:
        return self._of(session_id, "leaderboard")
