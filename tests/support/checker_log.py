"""The independent checker's reading of the log: entries, their keys, and what must hold of them.

Nothing of the packages under test is imported: keys are spelled and entries decoded here anew,
from docs/format.md, so that a fault in the program's own functions cannot hide itself.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

NO_CHAIN = "0" * 16
_PAGE = 1000
_FIELDS = (
    "kind", "v", "ref", "session", "agent", "branch", "type", "lane", "idx", "seq", "ts", "at",
    "header", "digest", "chain",
)  # fmt: skip
_LANES = {
    "evaluation.requested": "evaluation",
    "evaluation.started": "evaluation",
    "evaluation.completed": "evaluation",
    "evaluation.failed": "evaluation",
    "session.opened": "session",
    "session.closed": "session",
    "agent.registered": "agents",
    "agent.unregistered": "agents",
    "agent.finished": "agents",
    "session.ticked": "tick",
    "tick.stalled": "tick",
    "tick.acked": "ack",
    "branch.pruned": "pruning",
    "branch.unpruned": "pruning",
}
# Lanes of one branch, agent or artifact: their family, and the field that names the owner.
_NAMED_LANES = {
    "artifact.published": ("branch", "branch"),
    "branch.forked": ("lineage", "branch"),
    "branch.rewound": ("lineage", "branch"),
    "branch.popped": ("lineage", "branch"),
    "branch.checked_out": ("checkout", "agent"),
    "override.written": ("override", "agent"),
    "artifact.amended": ("amend", "target"),
}
_deterministic = msgspec.msgpack.Encoder(order="deterministic")


def escaped(name: str) -> str:
    """Return a name as it stands in a key."""
    return re.sub(r"[%:{}\x00-\x1f\x7f]", lambda m: f"%{ord(m.group()):02X}", name)


def prefix_of(namespace: str, partition: int) -> str:
    """Return what every key of a partition begins with."""
    return "{" + escaped(namespace) + ":" + str(partition) + "}:"


@dataclass(frozen=True)
class Entry:
    """One event as the stream holds it; `header` is the decoded rest of its fields."""

    partition: int
    position: int
    kind: str
    version: int
    ref: str
    session: str
    agent: str
    branch: str
    type: str
    lane: str
    index: int
    seq: int
    ts: str
    at: int
    header: dict[str, Any]
    digest: str
    chain: str

    @property
    def payload(self) -> dict[str, Any] | None:
        """What the header says of the payload, defaults filled in."""
        described = self.header.get("payload")
        return described and {"gzip": False, "stored": 0, "place": "buffer", **described}

    @property
    def where(self) -> str:
        """The entry's place, for messages."""
        return f"partition {self.partition}, position {self.position}"


def read_entries(
    client: redis.Redis, namespace: str, partition: int, first: int, problems: list[str]
) -> list[Entry]:
    """Return a partition's events from a position on; one that cannot be read is left out, and a
    problem.
    """
    stream = prefix_of(namespace, partition) + "stream:artifacts"
    entries = []
    for expected, (entry_id, fields) in enumerate(_raw_entries(client, stream), start=first):
        if entry_id != f"0-{expected}":
            problems.append(f"partition {partition}: entry {entry_id} where 0-{expected} is due")
        try:
            entries.append(decoded(partition, entry_id, fields))
        except (KeyError, ValueError, msgspec.DecodeError) as error:
            problems.append(f"partition {partition}: entry {entry_id} cannot be read: {error!r}")
    return entries


def _raw_entries(client: redis.Redis, stream: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    start = "-"
    while True:
        page: Any = client.xrange(stream, start, "+", _PAGE)
        if not page:
            return
        for entry_id, fields in page:
            yield entry_id.decode(), {name.decode(): value for name, value in fields.items()}
        start = "(" + page[-1][0].decode()


def decoded(partition: int, entry_id: str, fields: dict[str, bytes]) -> Entry:
    """Return the event that an entry holds."""
    if tuple(fields) != _FIELDS:
        raise ValueError(f"fields {list(fields)}")
    text = {name: value.decode() for name, value in fields.items() if name != "header"}
    return Entry(
        partition=partition,
        position=int(entry_id.partition("-")[2]),
        kind=text["kind"],
        version=int(text["v"]),
        ref=text["ref"],
        session=text["session"],
        agent=text["agent"],
        branch=text["branch"],
        type=text["type"],
        lane=text["lane"],
        index=int(text["idx"]),
        seq=int(text["seq"]),
        ts=text["ts"],
        at=int(text["at"]),
        header=msgspec.msgpack.decode(fields["header"]),
        digest=text["digest"],
        chain=text["chain"],
    )


def check_entries(entries: list[Entry], partitions: int, problems: list[str]) -> None:
    """Note where chain, digests, refs, sessions' numbers or lanes are not what they must be."""
    chain, refs = NO_CHAIN, set()
    for entry in entries:
        chain = hashlib.sha1((chain + entry.ref + entry.digest).encode()).hexdigest()[:16]
        if entry.chain != chain:
            problems.append(f"{entry.where}: chain {entry.chain}, computed {chain}")
            chain = entry.chain
        if entry.digest != _content_digest(entry):
            problems.append(f"{entry.where}: content does not have digest {entry.digest}")
        if entry.ref in refs:
            problems.append(f"{entry.where}: ref {entry.ref} is there twice")
        refs.add(entry.ref)
        if entry.lane != _lane(entry):
            problems.append(f"{entry.where}: a {entry.kind} in lane {entry.lane!r}")
        if zlib.crc32(entry.session.encode()) % partitions != entry.partition:
            problems.append(f"{entry.where}: session {entry.session!r} is of another partition")
    _check_numbers(entries, problems)


def _lane(entry: Entry) -> str:
    if entry.kind in _NAMED_LANES:
        family, owner = _NAMED_LANES[entry.kind]
        owners = {
            "branch": entry.branch,
            "agent": entry.agent,
            "target": entry.header.get("target"),
        }
        return f"{family}:{owners[owner]}"
    return _LANES.get(entry.kind, entry.lane)


def _content_digest(entry: Entry) -> str:
    """Return the digest of what the caller gave: all but ref, placement and filled-in fields."""
    content = {
        **entry.header,
        "kind": entry.kind,
        "session_id": entry.session,
        "agent_id": entry.agent,
        "branch_id": entry.branch,
        "ts": entry.ts,
        "v": entry.version,
    }
    if entry.type:
        content["type"] = entry.type
    for name in ("defaulted", *entry.header.get("defaulted", ())):
        content.pop(name, None)
    if "payload" in content:
        content["payload"] = {
            name: value
            for name, value in content["payload"].items()
            if name not in ("gzip", "stored", "place")
        }
    return hashlib.sha256(_deterministic.encode(content)).digest()[:8].hex()


def _check_numbers(entries: list[Entry], problems: list[str]) -> None:
    next_seq: dict[str, int] = defaultdict(int)
    next_index: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        if entry.seq != next_seq[entry.session]:
            problems.append(f"{entry.where}: seq {entry.seq} for {next_seq[entry.session]}")
        next_seq[entry.session] = entry.seq + 1
        lane = (entry.session, entry.lane)
        if entry.index != next_index[lane]:
            problems.append(
                f"{entry.where}: index {entry.index} for {next_index[lane]} in {entry.lane}"
            )
        next_index[lane] = entry.index + 1
        if entry.kind == "branch.forked":
            # The fork opens its child's lane where the child's own steps begin.
            child = (entry.session, "branch:" + entry.branch)
            if child in next_index:
                problems.append(f"{entry.where}: forks {entry.branch!r}, which was there before")
            next_index[child] = entry.header["own"]


def by_session(entries: list[Entry]) -> dict[str, list[Entry]]:
    """Return the entries of each session, in the order of the log."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.session, []).append(entry)
    return found
