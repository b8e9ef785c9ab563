"""What append keeps beside the log, computed naively from the log: refs, sessions, meta."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeAlias

import msgspec
from support.checker_log import NO_CHAIN, Entry, by_session, escaped

Image: TypeAlias = dict[str, Any]
"""Key (behind the partition's prefix) -> its whole value, as the client answers it."""

# Decisions whose lane is, after them, what these fields say.
_STATES = {
    **dict.fromkeys(("branch.forked", "branch.rewound", "branch.popped"), ("segments", "own")),
    **dict.fromkeys(("agent.registered", "agent.unregistered", "agent.finished"), ("agents",)),
    "session.ticked": ("tick", "agents"),
    "tick.stalled": ("tick", "agents", "stalled"),
}
_deterministic = msgspec.msgpack.Encoder(order="deterministic")


def books(entries: list[Entry], trimmed: int = 0) -> Image:
    """Return the keys that append must have written for these entries, but for meta.

    Of those up to `trimmed` neither refs nor positions are there any more.
    """
    image: Image = {}
    if entries:
        kept = entries[trimmed:]
        image["refs"] = {bytes.fromhex(entry.ref): _place(entry) for entry in kept}
        image["sessions"] = {
            name.encode(): float(of[-1].at) for name, of in by_session(entries).items()
        }
    for name, of_session in by_session(entries).items():
        key = "session:" + escaped(name)
        image[key] = _session(of_session)
        gone = [entry.position for entry in of_session if entry.position <= trimmed]
        if gone:
            image[key][b"trimmed"] = b"%d:%d" % (len(gone), gone[-1])
        if gone != [entry.position for entry in of_session]:
            left = of_session[len(gone) :]
            image[key + ":log"] = [str(entry.position).encode() for entry in left]
    return image


def meta(entries: list[Entry], partitions: int, trimmed: int = 0) -> dict[str, str]:
    """Return the fields of meta that the log and the number of partitions decide."""
    counts = Counter(entry.type or entry.kind for entry in entries)
    return {
        "partitions": str(partitions),
        "state": "open",
        "head": str(len(entries)),
        "chain": entries[-1].chain if entries else NO_CHAIN,
        **{f"count:{name}": str(number) for name, number in counts.items()},
        **(_trimmed(entries[:trimmed]) if trimmed else {}),
    }


def _trimmed(entries: list[Entry]) -> dict[str, str]:
    times = [int(entry.ref[:12], 16) for entry in entries if entry.ref[12] == "7"]
    return {"trimmed": str(len(entries)), "trimmed_ms": str(max(times, default=0))}


def _place(entry: Entry) -> bytes:
    return entry.position.to_bytes(8, "big") + bytes.fromhex(entry.digest)


def _session(entries: list[Entry]) -> dict[bytes, bytes]:
    fields: dict[str, bytes] = {"seq": str(len(entries)).encode()}
    for entry in entries:
        fields["next:" + entry.lane] = str(entry.index + 1).encode()
        state = _state(entry)
        if state is not None:
            fields["head:" + entry.lane] = b"%d:%s" % (entry.position, _deterministic.encode(state))
        if entry.kind == "branch.forked":
            opened = "next:branch:" + entry.branch
            fields[opened] = str(entry.header["own"]).encode()
    return {name.encode(): value for name, value in fields.items() if value != b"0"}


def _state(entry: Entry) -> dict[str, Any] | None:
    """Return what a decision's lane is after it; None for an event that decides nothing."""
    header = entry.header
    if entry.kind == "artifact.amended":
        return {}
    if entry.kind == "branch.checked_out":
        return {"branch": entry.branch}
    if entry.kind in ("session.opened", "session.closed"):
        return {"open": entry.kind == "session.opened"}
    if entry.kind == "override.written":
        return {"effective": header["effective"], "locked": header.get("locked", False)}
    if entry.kind not in _STATES:
        return None
    state = {name: header[name] for name in _STATES[entry.kind]}
    if entry.kind.startswith("agent.") and header.get("finished"):
        state["finished"] = header["finished"]
    return state
